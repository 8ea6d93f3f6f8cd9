"""One process works on a run at a time; whoever comes second waits a little, then is told."""

import fcntl
import json
import time
from pathlib import Path
from typing import TextIO

from swaplab.errors import UserError

PATIENCE = 20.0  # seconds: a run that was asked to stop is writing its checkpoint
LOCK = ".lock"
_claims: dict[Path, TextIO] = {}  # open until this process ends: the system then frees them, however it ended


def claim(folder: Path, patience: float = PATIENCE) -> None:
    """Make an existing run folder this process's own until it ends.

    Raises UserError if another process has it and still does after ``patience`` seconds. Where the file system knows no
    locks, nobody is kept out.
    """
    path = folder.resolve() / LOCK
    if path in _claims and path.exists():
        return
    file = path.open("a")
    until = time.monotonic() + patience
    while not _locked(file):
        if time.monotonic() > until:
            raise UserError(f"{_owner(folder)} works on the run {folder}; wait for it or end it, then try again")
        time.sleep(0.2)
    _claims[path] = file


def _locked(file: TextIO) -> bool:
    """Whether the lock is ours now. A lock of the process, which the processes that it forks do not hold on to."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _owner(folder: Path) -> str:
    try:
        session = json.loads((folder / "run.json").read_text())["sessions"][-1]
    except (OSError, ValueError, LookupError):
        return "another process"
    return f"process {session['pid']} on {session['host']}"
