"""Runs that cannot be read: said in one way, stepped over by who has others to do, set aside by one command."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from swaplab.errors import UserError
from swaplab.runs.claim import LOCK, claim

ASIDE = ".set-aside"


class Damaged(UserError):
    """A file of a run is not what it should be. ``what`` says which file, and how."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(
            f"{' '.join(what.split())}; restore it, or let `swaplab runs set-aside {folder}` move the run out of the "
            f"way, and train it again"
        )


def check_own(runs: Path, folder: Path) -> None:
    """UserError unless ``folder`` lies under ``runs`` itself, reached through no link."""
    place = Path(os.path.abspath(folder))
    root = next((parent for parent in place.parents if parent.resolve() == runs.resolve()), None)
    if root is None or runs.resolve() / place.relative_to(root) != place.resolve():
        raise UserError(
            f"{folder} is not a folder of {runs} itself; move or remove by hand what is a link or lies elsewhere"
        )


def set_aside(runs: Path, folders: Sequence[Path]) -> list[Path]:
    """Move run folders, damaged or not, to ``runs/.set-aside``, where no command sees them; returns their new places.

    Nothing is deleted. UserError, before the first is moved, for one that a process works on or that lies elsewhere.
    """
    for folder in folders:
        check_own(runs, folder)
        claim(folder, patience=0.0)
    places = []
    for folder in folders:
        own = Path(os.path.abspath(folder)).relative_to(os.path.abspath(runs))
        place = runs / ASIDE / own.parent / f"{own.name}-{time.time_ns()}"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(folder, place)
        (place / LOCK).unlink(missing_ok=True)
        places.append(place)
    return places
