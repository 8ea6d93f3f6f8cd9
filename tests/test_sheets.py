"""Sheets: drawn with a white line around every face; packed and unpacked as they were, or refused."""

import io

import numpy as np
import pytest

from swaplab.captions import HEIGHT
from swaplab.sheets import GAP, LARGEST, Columns, drawn, packed, unpacked


def columns(side: int = 8, frames: int = 3, count: int = 4) -> Columns:
    return Columns(*np.random.default_rng(0).integers(0, 256, (count, frames, side, side, 3), np.uint8))


def test_every_face_stands_in_a_white_frame_of_its_own() -> None:
    shown, cell = columns(), 8 + 2 * GAP
    picture = drawn(shown.known)
    assert picture.shape == (3 * cell, 4 * cell, 3)
    cells = picture.reshape(3, cell, 4, cell, 3).transpose(2, 0, 1, 3, 4)
    np.testing.assert_array_equal(cells[:, :, GAP:-GAP, GAP:-GAP], np.stack(shown.known))
    assert (
        np.pad(np.zeros((8, 8, 3), bool), ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=True) <= (cells == 255)
    ).all()


def test_names_and_scale() -> None:
    picture = drawn([np.full((2, 8, 8, 3), 7, np.uint8)] * 2, ["a", "b"], scale=3)
    assert picture.shape == (HEIGHT + 3 * 2 * 12, 3 * 2 * 12, 3)
    assert (picture[HEIGHT + 18, 18] == 7).all()


def test_packed_faces_come_back() -> None:
    sheet = unpacked(packed({"A->B": columns(), "B->A": columns(count=3)}))
    assert list(sheet) == ["A->B", "B->A"]
    for faces, before in zip(sheet["A->B"].known, columns().known, strict=True):
        np.testing.assert_array_equal(faces, before)
    assert sheet["B->A"].truth is None


def test_large_faces_are_packed_small() -> None:
    (only,) = unpacked(packed({"A->B": columns(side=LARGEST + 64, frames=1)})).values()
    assert only.source.shape == (1, LARGEST, LARGEST, 3)


@pytest.mark.parametrize("arrays", [{"A/x": 0}, {"A/source": 1}, {"A/source": np.array([{}], object)}])
def test_other_files_are_refused(arrays: dict[str, object]) -> None:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a packed sheet"):
        unpacked(file.getvalue())
    with pytest.raises(ValueError, match="not a packed sheet"):
        unpacked(file.getvalue()[:40])


def test_columns_of_unlike_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = columns(), columns(side=6)
    with pytest.raises(ValueError, match="faces of one size"):
        unpacked(packed({"A->B": Columns(one.source, one.reconstruction, other.swap)}))
    monkeypatch.setattr("swaplab.sheets.MOST_BYTES", 100)
    with pytest.raises(ValueError, match="not a packed sheet"):
        unpacked(packed({"A->B": one}))
