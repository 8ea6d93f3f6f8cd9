"""Atomic writes: after a crash, or on a full disk, a file is either the old one or the new one."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from swaplab.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class Unwritable(UserError, OSError):
    """The disk did not take a file. Code that can do without it catches it as an OSError; users get a sentence."""

    def __init__(self, path: Path, error: OSError) -> None:
        OSError.__init__(self, error.errno, error.strerror)
        self.path = path

    def __str__(self) -> str:
        """The sentence for the user."""
        return f"{self.path} cannot be written ({self.strerror}); free some space, then run the same command again"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise Unwritable if the block fails because a disk is full, read-only or broken, even behind another error."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:  # torch reports an unexpected position instead
            if isinstance(cause, OSError) and cause.errno in FULL:
                raise Unwritable(path, cause) from None
            cause = cause.__context__
        raise


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it to disk, and rename it to ``path``.

    After an error ``path`` is unchanged and the temporary file is removed; a kill may leave a ``.tmp`` file, but never
    a partial ``path``. Raises Unwritable if the disk does not take the file.
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
    """`write_atomically` for bytes in memory."""
    write_atomically(path, lambda file: file.write(content))


def write_text_atomically(path: Path, text: str) -> None:
    """`write_atomically` for UTF-8 text."""
    write_bytes_atomically(path, text.encode())
