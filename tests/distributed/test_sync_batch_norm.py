"""Batch norm over two processes, odd shards: against the formula, and against plain batch norm of the whole batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from swaplab.collectives import stacked, sum_over_ranks
from swaplab.networks.norm import BatchNorm, SyncBatchNorm
from swaplab.networks.statistics import untracked

SHARDS = (slice(0, 2), slice(2, 5))
EPS, MOMENTUM = 1e-3, 0.3
GAINS, BIASES = (0.5, 1.0, 1.5, 2.0), (-1.0, -0.25, 0.25, 1.0)


def faces(offset: float = 3.0) -> Tensor:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(5, 4, 3, 5, generator=random, dtype=torch.float64) * 2 + offset
    return x * torch.linspace(0.5, 2, 5, dtype=torch.float64)[:, None, None, None]  # shards differ in mean and spread


def layer(kind: type[nn.Module] = SyncBatchNorm) -> Any:
    made: Any = kind(4, momentum=MOMENTUM, eps=EPS)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(GAINS))
        made.bias.copy_(torch.tensor(BIASES))
    return made


def loss(y: Tensor, rows: slice) -> Tensor:
    """This shard's share of a loss that no symmetry makes 0."""
    random = torch.Generator().manual_seed(1)
    weights = torch.randn(5, 4, 3, 5, generator=random, dtype=torch.float64)[rows]
    return (weights * y.double().square()).sum() + (weights.roll(1, 1) * y.double()).sum()


def measured(kind: type[nn.Module], rows: slice) -> dict[str, Tensor]:
    """Everything of one forward and two backwards in float64: the second is of a penalty on the first's gradient."""
    norm, x = layer(kind).double(), faces()[rows].requires_grad_()
    y = norm(x)
    (slope,) = torch.autograd.grad(loss(y, rows), x, create_graph=True)
    first = torch.autograd.grad(loss(y, rows), [norm.weight, norm.bias], retain_graph=True)
    second = torch.autograd.grad(slope.square().sum(), [x, norm.weight])
    own = {"y": y.detach(), "slope": slope.detach(), "second": second[0]}
    summed = {"weight": first[0], "bias": first[1], "second weight": second[1]}
    moments = {"running_mean": norm.running_mean, "running_var": norm.running_var, "seen": norm.num_batches_tracked}
    return own | {name: sum_over_ranks(value) for name, value in summed.items()} | moments


def variants(rows: slice) -> dict[str, Tensor]:
    """Half precision, a large offset, untracked, without gains, averages over all batches, and inference."""
    found = {}
    with torch.autocast("cpu", torch.bfloat16):
        found["half"] = layer()(faces()[rows].bfloat16())
    found["far"] = layer()(faces(1e4)[rows].float())
    norm = layer().double()
    with untracked(norm):
        found["untracked"] = norm(faces()[rows])
    found["untracked mean"] = norm.running_mean
    bare = SyncBatchNorm(4).double()
    bare.affine, bare.momentum = False, None
    bare.weight = bare.bias = None
    for scale in (1, 3):
        found["bare"] = bare(scale * faces()[rows])
    found["average"] = bare.running_mean
    found["inference"] = bare.eval()(faces()[rows])
    found["stacked"] = stacked(torch.full((2,), float(rows.start)))
    return {name: value.detach() for name, value in found.items()}


def work(rank: int, place: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
    rows = SHARDS[rank]
    torch.save((measured(SyncBatchNorm, rows), variants(rows)), f"{place}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    place = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(place),), nprocs=2)
    return [torch.load(Path(place) / f"rank{rank}.pt") for rank in range(2)]


Ranks = list[tuple[dict[str, Tensor], dict[str, Tensor]]]


def joined(ranks: Ranks, name: str) -> Tensor:
    """What the ranks found for their own faces, as one batch."""
    return torch.cat([{**facts, **more}[name] for facts, more in ranks])


def formula(x: np.ndarray) -> tuple[np.ndarray, list[float], list[float]]:
    """Normalised faces, and running moments after one batch, number by number."""
    y, means, variances = np.empty_like(x), [], []
    for c in range(4):
        pixels = [float(v) for v in x[:, c].flat]
        mean = sum(pixels) / len(pixels)
        spread = sum((v - mean) ** 2 for v in pixels)
        y[:, c] = GAINS[c] * (x[:, c] - mean) / np.sqrt(spread / len(pixels) + EPS) + BIASES[c]
        means.append(MOMENTUM * mean)
        variances.append(1 - MOMENTUM + MOMENTUM * spread / (len(pixels) - 1))
    return y, means, variances


def test_outputs_and_running_statistics_match_the_formula_over_the_whole_batch(ranks: Ranks) -> None:
    y, means, variances = formula(faces().numpy())
    np.testing.assert_allclose(joined(ranks, "y").numpy(), y, rtol=1e-11, atol=1e-12)
    for facts, _ in ranks:
        np.testing.assert_allclose(facts["running_mean"].numpy(), means, rtol=1e-12)
        np.testing.assert_allclose(facts["running_var"].numpy(), variances, rtol=1e-12)
        assert facts["seen"] == 1


def test_first_and_second_gradients_are_those_of_plain_batch_norm_on_the_whole_batch(ranks: Ranks) -> None:
    whole = measured(BatchNorm, slice(None))
    for name in ("slope", "second"):
        torch.testing.assert_close(joined(ranks, name), whole[name], rtol=1e-9, atol=1e-11)
    for facts, _ in ranks:
        for name in ("weight", "bias", "second weight"):
            torch.testing.assert_close(facts[name], whole[name], rtol=1e-9, atol=1e-11)


def test_ranks_hold_the_same_bits(ranks: Ranks) -> None:
    (first, more), (other, more_of_other) = ranks
    assert all(torch.equal(first[name], other[name]) for name in ("running_mean", "running_var"))
    assert torch.equal(more["average"], more_of_other["average"])


def test_half_precision_takes_statistics_in_full(ranks: Ranks) -> None:
    exact = formula(faces().bfloat16().double().numpy())[0]
    half = joined(ranks, "half")
    assert half.dtype == torch.bfloat16
    assert (half == torch.from_numpy(exact).bfloat16()).double().mean() > 0.99


def test_a_large_offset_does_not_drown_the_variance(ranks: Ranks) -> None:
    """Sums of squares in float32 would lose everything at an offset of 10,000 deviations."""
    exact = formula(faces(1e4).float().double().numpy())[0]
    np.testing.assert_allclose(joined(ranks, "far").numpy(), exact, atol=5e-3)


def test_variants(ranks: Ranks) -> None:
    x = faces()
    torch.testing.assert_close(joined(ranks, "untracked"), layer(BatchNorm).double()(x).detach())
    plain = nn.BatchNorm2d(4, affine=False, momentum=None).double()
    for scale in (1, 3):
        y = plain(scale * x)
    torch.testing.assert_close(joined(ranks, "bare"), y)
    torch.testing.assert_close(joined(ranks, "inference"), plain.eval()(x))
    for _, more in ranks:
        assert not more["untracked mean"].any()
        torch.testing.assert_close(more["average"], plain.running_mean)
        assert torch.equal(more["stacked"], torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
