"""The sheets of a run: a picture for people to look at, and beside it the arrays of its faces for pages."""

from pathlib import Path

from swaplab.runs.atomic import write_bytes_atomically
from swaplab.sheets import Sheet, drawn, packed, png, unpacked

ARRAYS = ".npz"


def write_sheet(path: Path, sheet: Sheet) -> None:
    """Write a sheet as the PNG file ``path``, with its arrays beside it."""
    write_bytes_atomically(path, png(drawn([column for columns in sheet.values() for column in columns.known])))
    write_bytes_atomically(path.with_suffix(ARRAYS), packed(sheet))


def write_newest(path: Path, sheet: Sheet) -> None:
    """`write_sheet`; the other sheets in the folder keep their pictures only."""
    write_sheet(path, sheet)
    for arrays in path.parent.glob(f"*{ARRAYS}"):
        if arrays.stem != path.stem:
            arrays.unlink()


def read_sheet(path: Path) -> Sheet:
    """The arrays beside the sheet ``path``. Raises ValueError if they are damaged, OSError if they cannot be read."""
    return unpacked(path.with_suffix(ARRAYS).read_bytes())


def newest_sheet(folder: Path) -> Path | None:
    """The newest sheet in a folder whose arrays are there, or None."""
    newest = max(folder.glob(f"*{ARRAYS}"), default=None)
    return None if newest is None else newest.with_suffix(".png")
