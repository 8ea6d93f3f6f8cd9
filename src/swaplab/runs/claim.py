"""One process works on a run at a time; whoever comes second waits a little, then is told.

The claim comes before anything else: what a run's folder says may be acted on only by the process that holds it.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from swaplab.errors import UserError

PATIENCE = 20.0  # seconds: a run that was asked to stop is writing its checkpoint
LOCK = ".lock"
_claims: dict[Path, TextIO] = {}  # open until they are given up or this process ends, however it ends


def claim(folder: Path, patience: float = PATIENCE) -> None:
    """Make a run folder this process's own until it ends or gives it up; the folder is made where there is none.

    Raises UserError if another process has it and still does after ``patience`` seconds, or if it cannot be written.
    Where the file system knows no locks, nobody is kept out.
    """
    path = folder.resolve() / LOCK
    if path in _claims and _is(_claims[path], path):
        return
    until = time.monotonic() + patience
    while True:
        file = _opened(path, folder)
        if file is not None and _locked(file) and _is(file, path):  # else who had it took the file away with it
            break
        if file is not None:
            file.close()
        if time.monotonic() > until:
            raise UserError(f"{_owner(folder)} works on the run {folder}; wait for it or end it, then try again")
        time.sleep(0.2)
    _claims[path] = file


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """`claim` for a block. If nothing was put into the folder by its end, the folders that were made are gone again."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    claim(folder)
    path = folder.resolve() / LOCK
    try:
        yield
    finally:
        if is_new(folder):
            path.unlink(missing_ok=True)
            for place in made:
                with suppress(OSError):  # others live there by now
                    place.rmdir()
        _claims.pop(path).close()


def is_new(folder: Path) -> bool:
    """Whether a run folder holds nothing yet, but the claim on it."""
    return not folder.exists() or set(os.listdir(folder)) <= {LOCK}


def _opened(path: Path, folder: Path) -> TextIO | None:
    """The file to lock; None where another process takes the folder away in this moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(
            f"the run folder {folder} cannot be written ({error.strerror}); choose another with runs=DIR"
        ) from None


def _is(file: TextIO, path: Path) -> bool:
    """Whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


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
        return f"process {session['pid']} on {session['host']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
