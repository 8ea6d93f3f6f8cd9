"""The sheets of a run on disk: pictures of all, arrays of the newest."""

from pathlib import Path

import numpy as np
from PIL import Image

from swaplab.runs.sheets import newest_sheet, read_sheet, write_newest, write_sheet
from swaplab.sheets import Columns, drawn


def columns(level: int) -> Columns:
    return Columns(*np.full((3, 2, 4, 4, 3), level, np.uint8))


def test_the_picture_is_the_drawn_sheet_of_all_directions(tmp_path: Path) -> None:
    sheet = {"A->B": columns(50), "B->A": columns(90)}
    write_sheet(tmp_path / "test.png", sheet)
    wanted = drawn([*sheet["A->B"].known, *sheet["B->A"].known])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "test.png")), wanted)
    assert (read_sheet(tmp_path / "test.png")["B->A"].swap == 90).all()


def test_only_the_newest_sheet_keeps_its_arrays(tmp_path: Path) -> None:
    assert newest_sheet(tmp_path) is None
    for level in (1, 2, 3):
        write_newest(tmp_path / f"{level:09d}.png", {"A->B": columns(level)})
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert [path.name for path in tmp_path.glob("*.npz")] == ["000000003.npz"]
    newest = newest_sheet(tmp_path)
    assert newest == tmp_path / "000000003.png"
    assert (read_sheet(newest)["A->B"].source == 3).all()
