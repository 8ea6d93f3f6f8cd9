"""The l2 of a network is a gradient on its regularised kernels, beside whatever decay the optimiser has."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swaplab.networks.protocols import SwapOutput
from swaplab.networks.regularisation import RegularisedConv2d

L2, DECAY, RATE = 0.1, 0.25, 0.5


class Penalised(nn.Module):
    """A penalised convolution, one that is not, and a penalised one that no loss reaches."""

    shared_encoder, identities = True, ("A", "B")

    def __init__(self, l2: float) -> None:
        super().__init__()
        self.l2 = l2
        self.inside, self.outside = RegularisedConv2d(3, 3, 3), nn.Conv2d(3, 3, 1)
        self.idle = RegularisedConv2d(3, 3, 1)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return self.inside(faces)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return SwapOutput(self.outside(code))


def stepped(
    start: Penalised, l2: float, optimizer: Any, step_once: Callable[..., None], batch: dict[str, Any]
) -> dict[str, Tensor]:
    network = copy.deepcopy(start)
    network.l2 = l2
    step_once(network, optimizer, batch)
    return {name: value.detach().clone() for name, value in network.named_parameters()}


@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_l2_adds_its_gradient_to_regularised_kernels_alone(
    decay: float, step_once: Callable[..., None], random_batch: Callable[..., Any]
) -> None:
    torch.manual_seed(0)
    start, batch = Penalised(0.0), random_batch(("A", "B"), 2, side=8)
    sgd = partial(torch.optim.SGD, lr=RATE, weight_decay=decay)
    without, with_l2 = (stepped(start, l2, sgd, step_once, batch) for l2 in (0.0, L2))
    for name, before in start.named_parameters():
        pull = RATE * 2 * L2 * before.detach() if name in ("inside.weight", "idle.weight") else torch.zeros_like(before)
        if name == "idle.weight":  # without a gradient SGD leaves it alone; with one its own decay acts too
            pull = pull + RATE * decay * before.detach()
        torch.testing.assert_close(without[name] - with_l2[name], pull, rtol=1e-4, atol=1e-6)


def test_adamw_keeps_its_decay_on_penalised_kernels(
    step_once: Callable[..., None], random_batch: Callable[..., Any]
) -> None:
    """Decoupled decay takes lr * decay * w whatever the gradient; 0 before, when l2 stood in its place."""
    torch.manual_seed(0)
    start, batch = Penalised(0.0), random_batch(("A", "B"), 2, side=8)
    weak, strong = (
        stepped(start, L2, partial(torch.optim.AdamW, lr=RATE, weight_decay=d), step_once, batch) for d in (0.0, DECAY)
    )
    for name, before in start.named_parameters():
        torch.testing.assert_close(weak[name] - strong[name], RATE * DECAY * before.detach(), rtol=1e-4, atol=1e-5)
