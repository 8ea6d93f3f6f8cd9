"""Two processes with odd shards give the loss and the gradients of one: terms with statistics of the whole batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from swaplab.collectives import gathered, global_sum, sum_over_ranks
from swaplab.losses.adversarial import MixupLSGANDiscriminator
from swaplab.losses.context import StepContext
from swaplab.losses.mixup import Mixup
from swaplab.losses.reconstruction import L1
from swaplab.losses.relativistic import RelativisticLSGANDiscriminator, RelativisticLSGANGenerator
from swaplab.losses.settings import StepSettings
from swaplab.losses.wasserstein import GradientPenalty, WassersteinDiscriminator
from swaplab.networks.discriminator import PerIdentity
from swaplab.networks.initialisation import initialise
from swaplab.networks.norm import InstanceNorm
from swaplab.networks.protocols import SwapOutput
from swaplab.training.distributed import sum_gradients
from swaplab.training.meter import LossMeter

BATCH = 5
TERMS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "relativistic D": ("discriminator", (RelativisticLSGANDiscriminator(),)),
    "relativistic G": ("generator", (RelativisticLSGANGenerator(),)),
    "wgan_gp": ("discriminator", (WassersteinDiscriminator(), GradientPenalty())),
    "wgan_gp of the batch": ("discriminator", (WassersteinDiscriminator(), GradientPenalty(penalty="batch"))),
    "mixup": ("discriminator", (MixupLSGANDiscriminator(),)),
    "mixup of codes": ("generator", (L1(),)),
}


class Small(nn.Module):
    """One convolution in, one out an identity."""

    shared_encoder, identities = True, ("A", "B")

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Conv2d(3, 4, 3, padding=1)
        self.outside = nn.ModuleDict({name: nn.Conv2d(4, 4, 3, padding=1) for name in self.identities})

    def encode(self, faces: Tensor, source: str) -> Tensor:
        return torch.tanh(self.inside(faces))

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        out = torch.sigmoid(self.outside[target](code))
        return SwapOutput(out[:, :3], out[:, 3:])


def gradients(rows: slice, name: str) -> tuple[Tensor, dict[str, Tensor]]:
    """The summed loss and all gradients of one step on some rows of a fixed batch."""
    network, terms = TERMS[name]
    networks = nn.ModuleDict(
        {
            "generator": Small(),
            "discriminator": PerIdentity(("A", "B"), resolution=16, width=0.125, norm=InstanceNorm),
        }
    ).double()
    for part, module in networks.items():
        initialise(module, 3, part)
    random = torch.Generator().manual_seed(0)
    batch = torch.rand(2, 2, BATCH, 3, 16, 16, generator=random, dtype=torch.float64)
    faces = {n: {"input": batch[i, 0, rows], "target": batch[i, 1, rows]} for i, n in enumerate("AB")}
    mixup = Mixup("codes", 0.4) if "codes" in name else None
    positions = torch.arange(BATCH, 2 * BATCH)[rows]
    step = StepContext(networks, faces, positions, 0.5, StepSettings(BATCH, seed=3, mixup=mixup))
    with step.update(network, None):
        loss = torch.stack([term(step) for term in terms]).sum()
    loss.backward()
    learning = dict(networks[network].named_parameters())
    sum_gradients(learning.values())
    total = sum_over_ranks(loss.detach())
    return total, {n: p.grad for n, p in learning.items() if p.grad is not None}


def work(rank: int, place: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
    rows = slice(0, 3) if rank == 0 else slice(3, 5)
    own = torch.arange(5.0)[rows][:, None]
    found, begin = gathered(own)
    assert torch.equal(found, torch.arange(5.0)[:, None])
    assert begin == rows.start
    x = torch.tensor([float(rank + 1)], requires_grad=True)
    (slope,) = torch.autograd.grad(global_sum(x) ** 3 / 2, x, create_graph=True)  # each rank holds half of the loss
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    meter = LossMeter()
    for at in range(3):
        meter.add("loss", torch.tensor(float("nan") if rank == 1 and at > 0 else 1.0), at)
    facts = {"slope": slope.detach(), "curvature": curvature, "state": meter.state(), "bad": meter.report()[1]}
    torch.save({name: gradients(rows, name) for name in TERMS} | facts, f"{place}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    place = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(place),), nprocs=2)
    return [torch.load(Path(place) / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", TERMS)
def test_two_ranks_give_the_loss_and_gradients_of_one(ranks: list[dict[str, Any]], name: str) -> None:
    total, own = gradients(slice(None), name)
    for rank in ranks:
        torch.testing.assert_close(rank[name][0], total, rtol=1e-12, atol=1e-12)
        assert rank[name][1].keys() == own.keys()
        for parameter, gradient in own.items():
            torch.testing.assert_close(rank[name][1][parameter], gradient, rtol=1e-9, atol=1e-12)
        assert any(gradient.abs().max() > 1e-6 for gradient in own.values())


def test_a_global_sum_can_be_differentiated_twice(ranks: list[dict[str, Any]]) -> None:
    """s = 1 + 2; the whole loss is s^3: slope 3 s^2 = 27. Differentiating each rank's slope again and summing: 12 s."""
    for rank in ranks:
        assert rank["slope"].item() == pytest.approx(27)
        assert rank["curvature"].item() == pytest.approx(36)


def test_all_ranks_name_the_step_at_which_one_of_them_diverged(ranks: list[dict[str, Any]]) -> None:
    again = LossMeter()
    again.restore(ranks[0]["state"], share=True)
    assert [rank["bad"] for rank in ranks] == [1, 1]
    assert again.report()[1] == 1, "the step survives a checkpoint"
