"""Files that are either the old one or the new one, whatever moment a process dies at, or a disk is full at."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from swaplab.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class Unwritable(UserError, OSError):
    """The disk took no more. An OSError to who can do without the file, one sentence to everybody else."""

    def __init__(self, path: Path, error: OSError) -> None:
        OSError.__init__(self, error.errno, error.strerror)
        self.path = path

    def __str__(self) -> str:
        """The sentence."""
        return f"{self.path} cannot be written ({self.strerror}); free some space, then give the same command again"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise Unwritable where a disk that is full, read-only or broken ends the block, also by another's exception."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:  # torch speaks of an unexpected position
            if isinstance(cause, OSError) and cause.errno in FULL:
                raise Unwritable(path, cause) from None
            cause = cause.__context__
        raise


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, force it to disk, and rename it to ``path``.

    Whatever fails, ``path`` is untouched and the temporary file is gone; a kill may leave a ``.tmp`` file, never a
    partial ``path``. Unwritable where the disk takes no more.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """`write_atomically` for what is known as a whole."""
    write_atomically(path, lambda file: file.write(content))


def write_text_atomically(path: Path, text: str) -> None:
    """`write_atomically` for UTF-8 text."""
    write_bytes_atomically(path, text.encode())
