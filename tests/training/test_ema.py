import math

import pytest
import torch
from torch import nn

from swaplab.training.ema import EMA, ema_decay


def test_after_one_half_life_half_is_left() -> None:
    assert ema_decay(500, 10**9, half_life=500, ramp=0.05) == pytest.approx(0.5)
    steps = math.prod(ema_decay(10, 10**9, 500, 0.05) for _ in range(50))
    assert steps == pytest.approx(0.5)


def test_the_start_is_forgotten() -> None:
    assert ema_decay(64, 0, 10_000, 0.05) == 0.0
    assert ema_decay(64, 6400, 10_000, 0.05) == pytest.approx(0.5 ** (64 / 320))


def test_follows_parameters_by_the_decay_and_copies_buffers() -> None:
    network = nn.BatchNorm1d(2)
    ema = EMA(network, half_life=100, ramp=1e9)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(5.0)
    ema.follow(network, images=100, images_seen=1)
    assert ema.network.weight.tolist() == pytest.approx([2.0, 2.0])  # half way from 1 to 3
    assert ema.network.running_mean.tolist() == [5.0, 5.0]
    assert not ema.network.training
    assert not any(p.requires_grad for p in ema.network.parameters())
