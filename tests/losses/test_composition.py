"""Masks of the data compose what a generator makes of the faces they belong to."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.settings import StepSettings
from swaplab.networks.composition import Composition
from swaplab.networks.protocols import SwapOutput
from swaplab.training.assemble import check_composition


class Grey(nn.Module):
    """Every face becomes a grey of its own identity."""

    shared_encoder, identities = False, ("A", "B")

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(torch.full_like(code, 0.25 if target == "A" else 0.75))


def test_the_mask_is_that_of_the_face_that_is_shown() -> None:
    faces = {
        name: {"input": torch.rand(2, 3, 4, 4), "target": torch.rand(2, 3, 4, 4), "masks": torch.rand(2, 2, 4, 4)}
        for name in "AB"
    }
    settings = StepSettings(2, masks=("eyes", "hull"), composition=Composition("hull"))
    step = StepContext({"generator": Grey()}, faces, torch.arange(2), 0.0, settings)
    own, swap, cycle = step.reconstruction("A"), step.swap("A", "B"), step.cycle("A", "B")
    for output in (own, swap, cycle, step.resemblance("A")):
        assert output.mask is not None
        assert torch.equal(output.mask, faces["A"]["masks"][:, 1:])
    mask, background = faces["A"]["masks"][:, 1:], faces["A"]["input"]
    torch.testing.assert_close(step.swapped("A", "B"), mask * 0.75 + (1 - mask) * background)
    without = StepContext({"generator": Grey()}, faces, torch.arange(2), 0.0, StepSettings(2))
    assert without.swap("A", "B").mask is None


NOTHING: dict[str, Any] = {
    "mask": None,
    "mask_network": None,
    "composed_by": None,
    "composition": True,
    "data_masks": {},
}


LEARNED = "conflicts with the learned mask"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"composition": False}, "no effect without a mask"),
        ({"composed_by": "hull"}, r"set \+data_masks.hull=true"),
        ({"composed_by": "face", "data_masks": {"face": True}, "mask": {"_target_": "x"}}, LEARNED),
        ({"composed_by": "face", "data_masks": {"face": True}, "mask_network": {"_target_": "x"}}, LEARNED),
    ],
)
def test_compositions_that_would_do_nothing_are_refused(change: dict[str, Any], message: str) -> None:
    check_composition(NOTHING)
    check_composition(NOTHING | {"composed_by": "face", "data_masks": {"face": True}, "composition": False})
    with pytest.raises(UserError, match=message):
        check_composition(NOTHING | change)
