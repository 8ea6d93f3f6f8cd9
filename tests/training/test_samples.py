"""The sheets of training: which faces, and their true swaps where they are known."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from swaplab.data.module import FaceData
from swaplab.faces.faceset import Faceset
from swaplab.networks.swap_model import SwapModel
from swaplab.training.samples import GAP, drawer


class Negative(SwapModel):
    """Inverts every face, whoever it is and shall be."""

    def __init__(self) -> None:
        pass

    def swap(self, faces: Tensor, source: str, target: str, given: Tensor | None) -> tuple[Tensor, Any, Tensor]:
        return 1 - faces, None, 1 - faces


def columns(sheet: np.ndarray, count: int) -> list[np.ndarray]:
    """The faces (rows, 64, 64, 3) of each column."""
    side = 64 + 2 * GAP
    assert sheet.shape[1] == side * count
    tiles = sheet.reshape(len(sheet) // side, side, count, side, 3).transpose(2, 0, 1, 3, 4)
    return list(tiles[:, :, GAP:-GAP, GAP:-GAP])


def test_a_sheet_shows_the_true_swaps_of_the_faces_beside_them_where_they_are_known(facesets: dict[str, Path]) -> None:
    data = FaceData({name: Faceset.load(facesets[name]) for name in "AB"}, {}, seed=0, batch_size=4)
    faces = {name: data.held_out("val", name).images for name in "AB"}
    truth = {("A", "B"): 255 - faces["A"] // 2}
    found = columns(drawer(data, truth, lambda generator: Negative())(nn.Identity()), 7)
    rows = len(found[0])
    for at, name in ((0, "A"), (4, "B")):
        np.testing.assert_array_equal(found[at], faces[name][:rows])
        np.testing.assert_array_equal(found[at + 1], 255 - faces[name][:rows])
        np.testing.assert_array_equal(found[at + 2], found[at + 1])
    np.testing.assert_array_equal(found[3], truth["A", "B"][:rows])
