"""Collectives: sums and gathered batches, equal on all ranks and exact for any sharding.

Each rank's loss is its share of the global loss, and gradients are summed over ranks (``training.distributed``). So the
backward pass of a sum over ranks is again a sum over ranks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_PART_OF_A_BATCH = ContextVar("part of a batch", default=False)


class WholeBatchError(RuntimeError):
    """An operation that needs the whole batch was called in a micro-batch."""


@contextmanager
def part_of_a_batch() -> Iterator[None]:
    """A context for a micro-batch, in which operations that need the whole batch raise `WholeBatchError`."""
    token = _PART_OF_A_BATCH.set(True)
    try:
        yield
    finally:
        _PART_OF_A_BATCH.reset(token)


def _need_the_whole_batch() -> None:
    if _PART_OF_A_BATCH.get():
        raise WholeBatchError


def world_size() -> int:
    """Number of ranks; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Rank of this process; 0 without a process group."""
    return dist.get_rank() if world_size() > 1 else 0


@torch.no_grad()
def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of ``values`` over all ranks, without gradient; the same tensor on one rank."""
    _need_the_whole_batch()
    if world_size() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


@torch.no_grad()
def max_over_ranks(values: Tensor) -> Tensor:
    """The elementwise maximum of ``values`` over all ranks; the same tensor on one rank."""
    if world_size() > 1:
        values = values.clone()
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return values


@torch.no_grad()
def min_over_ranks(values: Tensor) -> Tensor:
    """The elementwise minimum of ``values`` over all ranks; the same tensor on one rank."""
    if world_size() > 1:
        values = values.clone()
        dist.all_reduce(values, dist.ReduceOp.MIN)
    return values


class _GlobalSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return global_sum(gradients[0])


def global_sum(values: Tensor) -> Tensor:
    """The sum of ``values`` over all ranks, differentiable (also twice); the same tensor on one rank.

    All ranks must call it with equal shapes, forward and backward: no rank may skip a loss that uses it.
    """
    _need_the_whole_batch()
    if world_size() == 1:
        return values
    total: Tensor = _GlobalSum.apply(values)
    return total


def stacked(values: Tensor) -> Tensor:
    """``values`` of all ranks, stacked in order: (ranks, *shape), differentiable. Shapes must be equal on all ranks."""
    return global_sum(_among(values[None], rank(), world_size()))


def gathered(values: Tensor) -> tuple[Tensor, int]:
    """The rows (n, ...) of all ranks in order, differentiable, and the index of this rank's first row.

    Ranks may have different numbers of rows.
    """
    _need_the_whole_batch()
    if world_size() == 1:
        return values, 0
    counts = torch.zeros(world_size(), dtype=torch.int64, device=values.device)
    counts[rank()] = len(values)
    sizes = sum_over_ranks(counts).tolist()
    begin = sum(sizes[: rank()])
    return global_sum(_among(values, begin, sum(sizes))), begin


def _among(rows: Tensor, begin: int, total: int) -> Tensor:
    """``total`` rows of zeros with ``rows`` (n, ...) at index ``begin``."""
    before, after = begin, total - begin - len(rows)
    return torch.cat([rows.new_zeros(before, *rows.shape[1:]), rows, rows.new_zeros(after, *rows.shape[1:])])
