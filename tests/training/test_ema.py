import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swaplab.losses.reconstruction import L1
from swaplab.losses.settings import StepSettings
from swaplab.networks.protocols import SwapOutput
from swaplab.training.averaging import AveragedGenerator
from swaplab.training.ema import EMA, ema_decay
from swaplab.training.module import SwapModule
from swaplab.training.updates import Joint


class Level(nn.Module):
    """Every face becomes one grey."""

    shared_encoder, identities = True, ("A", "B")

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.0))

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(self.level.expand_as(code))


def test_after_one_half_life_half_is_left() -> None:
    assert ema_decay(500, 10**9, half_life=500, ramp=0.05) == pytest.approx(0.5)
    steps = math.prod(ema_decay(10, 10**9, 500, 0.05) for _ in range(50))
    assert steps == pytest.approx(0.5)


def test_the_start_is_forgotten() -> None:
    assert ema_decay(64, 0, 10_000, 0.05) == 0.0
    assert ema_decay(64, 6400, 10_000, 0.05) == pytest.approx(0.5 ** (64 / 320))


def test_parameters_and_running_statistics_follow_by_the_decay_and_other_buffers_are_copied() -> None:
    norm = nn.BatchNorm1d(2)
    network = nn.Sequential(norm)
    network.register_buffer("other", torch.zeros(1))
    ema = EMA(network, half_life=100, ramp=1e9)
    with torch.no_grad():
        norm.weight.fill_(3.0)
        norm.running_mean.fill_(5.0)
        norm.num_batches_tracked.fill_(7)
        network.get_buffer("other").fill_(2.0)
    ema.follow(network, images=100, images_seen=1)
    average = ema.network[0]
    assert average.weight.tolist() == pytest.approx([2.0, 2.0])  # half way from 1 to 3
    assert average.running_mean.tolist() == pytest.approx([2.5, 2.5])
    assert average.num_batches_tracked == 7
    assert ema.network.get_buffer("other") == 2.0
    assert not ema.network.training
    assert not any(p.requires_grad for p in ema.network.parameters())
    alone = EMA(norm, half_life=100, ramp=1e9)
    norm.running_mean.fill_(7.0)
    alone.follow(norm, images=100, images_seen=1)
    assert alone.network.running_mean.tolist() == pytest.approx([6.0, 6.0])


@pytest.mark.parametrize("every", [1, 2, 5])
def test_the_half_life_is_in_images_however_often_the_generator_is_stepped(
    every: int, driven: Callable[..., Any], random_batch: Callable[..., Any]
) -> None:
    """The network jumps from 0 to 1 and stays there: after half_life images the average is half way, after two 3/4."""
    module = SwapModule(
        {"generator": Level()},
        {"l1": L1()},
        Joint(generator_every=every),
        {"generator": partial(torch.optim.SGD, lr=0.0)},
        identities=("A", "B"),
        settings=StepSettings(1),
        total_images=10**9,
    )
    driven(module)
    module.ema = EMA(module.networks["generator"], half_life=20)
    module.counters.images_seen = 10**6  # where the half-life has its length
    with torch.no_grad():
        module.networks["generator"].level.fill_(1.0)
    averages = []
    for _ in range(20):
        module.step(random_batch(("A", "B"), 1, side=4))
        AveragedGenerator().on_train_batch_end(None, module, None, None, 0)  # type: ignore[arg-type]
        averages.append(module.ema.network.level.item())
    assert averages == pytest.approx([1 - 0.5 ** (2 * (step + 1) / 20) for step in range(20)], rel=1e-5)
