"""Several ranks as one: gradients are summed over ranks, because every rank's loss is a share of the global one."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import Tensor, nn

from swaplab.collectives import world_size
from swaplab.errors import UserError
from swaplab.training.launch import PARENT, Ranks
from swaplab.training.watch import Watch

BUCKET_BYTES = 25 * 2**20
TIMEOUT = timedelta(minutes=10)  # for a rank that lives and does not come


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        nbytes = tensor.numel() * tensor.element_size()
        if bucket and (size + nbytes > BUCKET_BYTES or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += nbytes
    if bucket:
        yield bucket


def _in_buckets(tensors: Iterable[Tensor], collective: Callable[[Tensor], object]) -> None:
    """Pass tensors through a collective, many in one call, and put the results in their places."""
    for bucket in _buckets(tensors):
        flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
        collective(flat)
        for tensor, result in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
            tensor.copy_(result.view_as(tensor))


@torch.no_grad()
def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its sum over all ranks, in buckets. Nothing to do on one rank.

    A parameter without a gradient counts as zero, so that all ranks reduce the same tensors: which parameters a loss
    reaches must not decide whether ranks wait for each other.
    """
    if world_size() == 1:
        return
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    _in_buckets(gradients, dist.all_reduce)


@torch.no_grad()
def share_buffers(network: nn.Module) -> None:
    """Give every rank rank 0's buffers: running statistics of a rank's own batches are not those of the others."""
    if world_size() > 1:
        _in_buckets(network.buffers(), lambda flat: dist.broadcast(flat, 0))


def check_equal(networks: Mapping[str, nn.Module]) -> None:
    """RuntimeError on every rank, naming the first parameter whose bytes are not the same on all of them."""
    if world_size() == 1:
        return
    named = [(f"{n}.{name}", p) for n, network in networks.items() for name, p in network.named_parameters()]
    raw = [p.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data for _, p in named]
    unequal = _unequal(raw)
    if unequal:
        raise RuntimeError(
            f"ranks have drifted apart: {named[unequal[0]][0]} is not the same on all of them "
            f"({len(unequal)} of {len(named)} parameters differ)"
        )


def check_same(facts: Mapping[str, str]) -> None:
    """UserError on every rank if a fact is not the same on all of them: machines with other data, another version."""
    if world_size() > 1 and (unequal := _unequal([text.encode() for text in facts.values()])):
        raise UserError(f"{list(facts)[unequal[0]]} is not the same on all ranks; give all machines the same")


def _unequal(contents: Sequence[bytes | memoryview]) -> list[int]:
    """Which of them are not the same on all ranks, by 64 bits of a hash."""
    hashes = [int.from_bytes(blake2b(content, digest_size=8).digest(), signed=True) for content in contents]
    mine = torch.tensor(hashes, dtype=torch.int64)
    least, most = mine.clone(), mine.clone()
    dist.all_reduce(least, dist.ReduceOp.MIN)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return (least != most).nonzero().flatten().tolist()


class _Launcher(_SubprocessScriptLauncher):
    """Lightning's start of the other ranks, watched by us: its own observer would end rank 0 without a last word."""

    def __init__(self, watch: Watch, ranks: Ranks) -> None:
        super().__init__(ranks.environment, ranks.devices, ranks.nodes)
        self.watch = watch

    def launch(self, function: Callable[..., Any], *args: Any, trainer: pl.Trainer | None = None, **kwargs: Any) -> Any:
        """Start the ranks that nobody else starts, then call ``function``."""
        if not self.cluster_environment.creates_processes_externally:
            os.environ[PARENT] = str(os.getpid())
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # what the store says when rank 0 is gone
            self._call_children_scripts()
            self.watch.children = dict(enumerate(self.procs, 1))
        return function(*args, **kwargs)


class SummedGradients(DDPStrategy):
    """Lightning's process groups, without its gradient hooks and with ranks that notice each other's end.

    The hooks average once per backward over the whole module, which suits neither several optimisers in alternation nor
    odd shards; the module calls `sum_gradients` for what it steps instead. docs/distributed.md compares the two.
    """

    def __init__(self, ranks: Ranks, watch: Watch, backend: str) -> None:
        super().__init__(process_group_backend=backend, timeout=TIMEOUT)
        self._ranks, self._watch = ranks, watch

    def _configure_launcher(self) -> None:
        self._launcher = _Launcher(self._watch, self._ranks)

    def setup_environment(self) -> None:
        """Meet the other ranks, and begin to watch them."""
        super().setup_environment()
        self._watch.join()

    def configure_ddp(self) -> None:
        """Nothing: the module sums its gradients itself."""
