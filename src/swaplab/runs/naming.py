"""How commands name a run: by folder, ``NAME/ID``, the beginning of its ID, ``NAME`` alone, or ``last``."""

import os
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.places import expanded
from swaplab.runs.identity import pinned
from swaplab.runs.record import RunRecord, is_run
from swaplab.runs.registry import label_of, run_folders

LAST = "last"  # the run with the latest creation time in its record; of several in one second the last by label
SHOWN = 3
WAYS = "a folder, NAME/ID, the beginning of an ID, NAME if it has one run, or last"


def run_folder(runs: Path, named: str) -> Path:
    """The run folder that a user names; UserError, with the nearest names, if none or several match.

    Tried in this order: a folder; ``NAME/ID`` under ``runs``; ``last``; an ID; a ``NAME`` that has one run; the
    beginning of an ID, with or without ``NAME/``. Names may begin with the path of ``runs``.
    """
    for place in (expanded(named), runs / named):
        if is_run(place):
            return place
    if not runs.is_dir():
        raise UserError(
            f"{named} is not a run folder, and the folder {runs} does not exist; give the run's folder, or the folder "
            f"of all runs with runs=DIR"
        )
    folders = {label_of(runs, folder): folder for folder in run_folders(runs)}
    if named == LAST and folders:
        return max(folders.items(), key=lambda item: (_created(item[1]), item[0]))[1]
    fitting = _fitting(list(folders), named.rstrip("/")) or _fitting(list(folders), _below(runs, named))
    if len(fitting) == 1:
        return folders[fitting[0]]
    raise UserError(_refusal(runs, named, sorted(folders), fitting))


def located(config: dict[str, Any]) -> dict[str, Any]:
    """`pinned`, with the run of ``init_from`` named by its folder.

    UserError also for a name that would match the new run as soon as it exists, because the same command must resume
    that run.
    """
    source = config.get("init_from")
    if not source or is_run(expanded(source["run"])):
        return pinned(config)
    named, runs = source["run"], Path(config["runs"])
    folder = run_folder(runs, named)
    own = str(config.get("run_id") or f"s{config['seed']}-")
    if named == LAST or own.startswith(named) or f"{config['name']}/{own}".startswith(named):
        raise UserError(
            f"init_from.run={named} will no longer mean {label_of(runs, folder)} once this run exists; write "
            f"{label_of(runs, folder)} instead"
        )
    return pinned(config | {"init_from": {**source, "run": str(folder)}})


def _fitting(labels: list[str], named: str) -> list[str]:
    """The runs that a name matches, by the first way of naming that matches any."""
    split = [(label, *label.rpartition("/")[::2]) for label in labels]
    ways = (
        [label for label, _, identity in split if identity == named],
        [label for label, name, _ in split if name == named],
        [label for label, name, identity in split if identity.startswith(named.removeprefix(f"{name}/"))],
    )
    return next((found for found in ways if found), []) if named else []


def _below(runs: Path, named: str) -> str:
    """A path as a name under ``runs``; empty if it is elsewhere."""
    path, root = (os.path.abspath(place) for place in (expanded(named), runs))
    return path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else ""


def _created(folder: Path) -> str:
    """When a run was created; sorts before all others if its record is unreadable."""
    try:
        return str(RunRecord.load(folder).facts["created"])
    except UserError:
        return ""


def _refusal(runs: Path, named: str, labels: list[str], fitting: list[str]) -> str:
    if fitting:
        several = ", ".join(sorted(fitting)[:SHOWN]) + (", ..." if len(fitting) > SHOWN else "")
        return f"{named} matches {len(fitting)} runs under {runs} ({several}); write one of them as NAME/ID"
    if not labels:
        return f"{named} is not a run folder, and {runs} contains no runs; give the run's folder"
    nearest = sorted(labels, key=lambda label: -_likeness(named, label))[:SHOWN]
    return (
        f"{named} is not a run under {runs}; the nearest are {', '.join(nearest)}; name a run by {WAYS} "
        f"(`swaplab runs list` lists all)"
    )


def _likeness(named: str, label: str) -> float:
    name, _, identity = label.rpartition("/")
    return max(SequenceMatcher(None, named, form).ratio() for form in (label, name, identity))
