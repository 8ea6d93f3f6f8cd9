"""The sheets of training: which faces, and their true swaps where they are known."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from swaplab.data.module import FaceData
from swaplab.faces.faceset import Faceset
from swaplab.networks.swap_model import SwapModel
from swaplab.training.samples import drawer


class Negative(SwapModel):
    """Inverts every face, whoever it is and shall be."""

    def __init__(self) -> None:
        pass

    def swap(self, faces: Tensor, source: str, target: str, given: Tensor | None) -> tuple[Tensor, Any, Tensor]:
        return 1 - faces, None, 1 - faces


def test_a_sheet_shows_the_true_swaps_of_the_faces_beside_them_where_they_are_known(facesets: dict[str, Path]) -> None:
    data = FaceData({name: Faceset.load(facesets[name]) for name in "AB"}, {}, seed=0, batch_size=4)
    faces = {name: data.held_out("val", name).images for name in "AB"}
    truth = {("A", "B"): 255 - faces["A"] // 2}
    found = drawer(data, truth, lambda generator: Negative())(nn.Identity())
    rows = len(found["A->B"].source)
    for way, name in (("A->B", "A"), ("B->A", "B")):
        np.testing.assert_array_equal(found[way].source, faces[name][:rows])
        np.testing.assert_array_equal(found[way].reconstruction, 255 - faces[name][:rows])
        np.testing.assert_array_equal(found[way].swap, found[way].reconstruction)
    np.testing.assert_array_equal(found["A->B"].truth, truth["A", "B"][:rows])
    assert found["B->A"].truth is None
