"""Paths from users."""

from pathlib import Path

from swaplab.errors import UserError

PACKAGE = Path(__file__).parent  # the folder of swaplab itself


def expanded(path: str | Path, instead: str = "write the whole path") -> Path:
    """Replace a leading ``~`` by the home folder.

    Raises UserError, with the hint ``instead``, if there is none, as in a container whose user has no name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path} is in the home folder, but this user has none; {instead}, or set HOME") from None
