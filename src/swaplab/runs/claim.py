"""Locks on run folders: only one process works on a run; a second one waits briefly, then raises an error.

A process claims a folder before it reads it, because only the owner may act on what the folder says.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from swaplab.errors import UserError

PATIENCE = 20.0  # seconds in which a run that was asked to stop can write its checkpoint
LOCK = ".lock"
_claims: dict[Path, TextIO] = {}  # open until released, or until this process ends, however it ends


def claim(folder: Path, patience: float = PATIENCE) -> None:
    """Claim a run folder for this process until it ends or releases the folder; creates a missing folder.

    Raises UserError if another process still owns it after ``patience`` seconds, or if it cannot be written. A file
    system without locks keeps nobody out.
    """
    path = folder.resolve() / LOCK
    if path in _claims and _is(_claims[path], path):
        return
    until = time.monotonic() + patience
    while True:
        file = _opened(path, folder)
        if file is not None and _locked(file) and _is(file, path):  # else the last owner deleted this file
            break
        if file is not None:
            file.close()
        if time.monotonic() > until:
            raise UserError(f"{_owner(folder)} is working on the run {folder}; wait for it or stop it, then try again")
        time.sleep(0.2)
    _claims[path] = file


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """`claim` for a block. If the folder is still empty at its end, the folders that were created are removed."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    claim(folder)
    path = folder.resolve() / LOCK
    try:
        yield
    finally:
        if is_new(folder):
            path.unlink(missing_ok=True)
            for place in made:
                with suppress(OSError):  # no longer empty
                    place.rmdir()
        _claims.pop(path).close()


def holder(folder: Path) -> int | None:
    """The ID of the process on this machine that trains the run in a folder; None if there is none."""
    try:
        with (folder.resolve() / LOCK).open("r+") as file:
            if _locked(file):
                return None
        session = _session(folder)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return int(session["pid"]) if session["host"] == socket.gethostname() else None


def is_new(folder: Path) -> bool:
    """Whether a run folder is missing, or empty except for its lock."""
    return not folder.exists() or set(os.listdir(folder)) <= {LOCK}


def _opened(path: Path, folder: Path) -> TextIO | None:
    """The file to lock; None if another process has just deleted the folder."""
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
    """Whether this process now holds the lock. Processes that it forks do not inherit the lock."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _session(folder: Path) -> dict[str, Any]:
    """The latest session of a run."""
    session: dict[str, Any] = json.loads((folder / "run.json").read_text())["sessions"][-1]
    return session


def _owner(folder: Path) -> str:
    try:
        session = _session(folder)
        return f"process {session['pid']} on {session['host']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
