import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from swaplab.networks.building import build_networks
from swaplab.networks.macs import macs_of
from swaplab.networks.protocols import SwapOutput


class ConvAndLinear(nn.Module):
    """3 -> 8 channels by 3 x 3 with stride 2, then all values to a face."""

    identities, shared_encoder = ("A", "B"), True

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.linear = nn.Linear(8 * (side // 2) ** 2, 3 * side**2)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return torch.relu(self.norm(self.conv(faces)))

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(self.linear(code.flatten(1)).view(-1, 3, self.side, self.side))


def test_a_convolution_and_a_linear_layer_by_hand() -> None:
    network = ConvAndLinear(16)
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    conv = 8 * 3 * 3 * 3 * 8 * 8  # outputs x inputs x kernel x places
    assert macs_of(network, 16) == conv + (8 * 8 * 8) * (3 * 16 * 16)
    assert (network.training, network.norm.training, network.conv.training) == (True, False, True)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Attention(ConvAndLinear):
    """Queries, keys and values of 10 places and 6 channels."""

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        parts = code.new_empty(1, 3, 10, 6).unbind(1)
        nn.functional.scaled_dot_product_attention(*parts)
        return SwapOutput(code)


class ByValue(ConvAndLinear):
    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(code if code.mean() > 0 else -code)


def test_attention_is_two_products() -> None:
    assert macs_of(Attention(16), 16) == 8 * 3 * 3 * 3 * 8 * 8 + 2 * 10 * 10 * 6


def test_a_path_that_depends_on_values_is_not_counted() -> None:
    assert macs_of(ByValue(16), 16) is None


EXPERIMENTS = ("quick", "faceswap_gan_corrected", "cyclegan", "sagan", "style_decoder")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_kind_of_generator_is_counted_quickly_and_alike(
    experiment: str,
    compose: Callable[[list[str]], dict],  # type: ignore[type-arg]
) -> None:
    config = compose([f"experiment={experiment}"])
    generator = build_networks(config, ("A", "B"), 64)["generator"]
    state = torch.get_rng_state()
    started = time.process_time()
    found = macs_of(generator, 64)
    assert time.process_time() - started < 2  # about 0.3 s
    weights = sum(p.numel() for p in generator.parameters())
    assert found is not None
    assert found > weights / 10
    assert found == macs_of(generator, 64)
    assert torch.equal(state, torch.get_rng_state())


def test_half_the_width_costs_about_a_quarter(compose: Callable[[list[str]], dict]) -> None:  # type: ignore[type-arg]
    full, small = (
        macs_of(build_networks(compose(["experiment=quick", f"size={size}"]), ("A", "B"), 64)["generator"], 64)
        for size in ("full", "tiny")
    )
    assert full is not None
    assert small is not None
    assert small < full / 4
