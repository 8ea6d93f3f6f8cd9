"""Paths as a user writes them."""

from pathlib import Path

from swaplab.errors import UserError


def expanded(path: str | Path, instead: str = "write the whole path") -> Path:
    """A path with its leading ``~`` replaced by the home folder.

    UserError where there is none, as in a container whose user has no name; ``instead`` says what to do then.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path} lies in the home folder, and this user has none; {instead}, or set HOME") from None
