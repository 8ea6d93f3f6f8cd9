"""Unreadable runs: one error for all, skipped by commands on many runs, moved away by `swaplab runs set-aside`."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from swaplab.errors import UserError
from swaplab.runs.claim import LOCK, claim

ASIDE = ".set-aside"


class Damaged(UserError):
    """A file of a run is missing or invalid. ``what`` says which file, and what is wrong with it."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(
            f"{' '.join(what.split())}; restore it, or move the run away with `swaplab runs set-aside {folder}` and "
            f"train it again"
        )


def check_own(runs: Path, folder: Path) -> None:
    """UserError unless ``folder`` is inside ``runs`` and its path contains no link."""
    place = Path(os.path.abspath(folder))
    root = next((parent for parent in place.parents if parent.resolve() == runs.resolve()), None)
    if root is None or runs.resolve() / place.relative_to(root) != place.resolve():
        raise UserError(f"{folder} is a link, or not inside {runs}; move or remove it by hand")


def set_aside(runs: Path, folders: Sequence[Path]) -> list[Path]:
    """Move run folders, damaged or not, to ``runs/.set-aside``, where no command reads them; returns their new paths.

    Deletes nothing. Raises UserError, before any folder is moved, if a process works on one or one is outside ``runs``.
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
