"""Temporary folders beside an output; they are removed however the process ends."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".swaplab-"
_NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")  # the names that tempfile makes


@contextmanager
def unfinished_folder(beside: Path) -> Iterator[Path]:
    """A new folder on the file system of ``beside``, so that a rename is atomic; removed when the context ends.

    A folder of a killed process is removed by the next process that works beside the same output. A process holds a
    lock on its folder; the lock ends with the process. Raises OSError if the folder cannot be made.
    """
    _sweep(beside.parent)
    folder, lock = _made(beside.parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(parent: Path) -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process removed it before it was locked
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            swept = not folder.is_dir()
        except BlockingIOError:
            swept = True
        except OSError:
            swept = False  # some network file systems cannot lock folders, so no process removes any
        if not swept:
            return folder, lock
        os.close(lock)


def _sweep(parent: Path) -> None:
    """Remove the folders of processes that have ended."""
    for folder in parent.iterdir():
        if not _NAME.fullmatch(folder.name) or folder.is_symlink():
            continue
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)
