"""How the result is composed where swaps are measured: by a learned mask, a given one, a hull, or not at all."""

import pytest
import torch
from torch import Tensor, nn

from swaplab.metrics.swapping import swapped
from swaplab.networks.composition import Composition
from swaplab.networks.protocols import SwapOutput
from swaplab.networks.swap_model import SwapModel


class Grey(nn.Module):
    shared_encoder, identities = False, ("A", "B")

    def __init__(self, mask: float | None = None) -> None:
        super().__init__()
        self.level, self.mask = nn.Parameter(torch.tensor(0.75)), mask

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        mask = None if self.mask is None else torch.full_like(code[:, :1], self.mask)
        return SwapOutput(self.level.expand_as(code), mask)


@pytest.fixture
def faces() -> Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_composition_can_be_off(faces: Tensor) -> None:
    raw, mask, composed = SwapModel(Grey(0.5), Composition(), {}).swap(faces, "A", "B", None)
    torch.testing.assert_close(composed, 0.5 * raw + 0.5 * faces)
    assert mask is not None
    off = SwapModel(Grey(0.5), Composition(on=False), {}).swap(faces, "A", "B", None)
    assert off[1] is None
    assert torch.equal(off[2], raw)


def test_given_masks_compose_where_they_are_known(faces: Tensor) -> None:
    given = torch.rand(3, 1, 64, 64)
    model = SwapModel(Grey(), Composition("face"), {})
    raw, mask, composed = swapped(model, faces, "A", "B", given)
    assert torch.equal(mask, given)  # type: ignore[arg-type]
    torch.testing.assert_close(composed, given * raw + (1 - given) * faces)
    assert swapped(model, faces, "A", "B", None)[1] is None
    for other in (Composition(), Composition("face", on=False)):
        assert torch.equal(swapped(SwapModel(Grey(), other, {}), faces, "A", "B", given)[2], raw)


def test_a_hull_is_found_in_the_face(faces: Tensor) -> None:
    raw, mask, composed = SwapModel(Grey(), Composition("hull"), {}).swap(faces, "A", "B", None)
    assert mask is not None
    assert mask.shape == (3, 1, 64, 64)
    assert 0.1 < float(mask.mean()) < 0.95
    torch.testing.assert_close(composed, mask * raw + (1 - mask) * faces)
