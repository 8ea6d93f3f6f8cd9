"""Distributed training: gradients are summed over ranks, because each rank's loss is its share of the global loss."""

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
TIMEOUT = timedelta(minutes=10)  # for a rank that is alive but does not join


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
    """Apply an in-place collective to tensors, many per call."""
    for bucket in _buckets(tensors):
        flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
        collective(flat)
        for tensor, result in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
            tensor.copy_(result.view_as(tensor))


@torch.no_grad()
def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its sum over all ranks, in buckets; no-op on one rank.

    A missing gradient counts as zero, so that all ranks reduce the same tensors and none waits for the others.
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
    """Copy rank 0's buffers to all ranks, because running statistics of a rank's own batches differ."""
    if world_size() > 1:
        _in_buckets(network.buffers(), lambda flat: dist.broadcast(flat, 0))


def check_equal(networks: Mapping[str, nn.Module]) -> None:
    """Raise RuntimeError on every rank if parameters differ between ranks; it names the first one."""
    if world_size() == 1:
        return
    named = [(f"{n}.{name}", p) for n, network in networks.items() for name, p in network.named_parameters()]
    raw = [p.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data for _, p in named]
    unequal = _unequal(raw)
    if unequal:
        raise RuntimeError(
            f"ranks have different parameters: {named[unequal[0]][0]} ({len(unequal)} of {len(named)} differ)"
        )


def check_same(facts: Mapping[str, str]) -> None:
    """Raise UserError on every rank if a fact (such as data or versions) differs between ranks."""
    if world_size() > 1 and (unequal := _unequal([text.encode() for text in facts.values()])):
        name = list(facts)[unequal[0]]
        raise UserError(f"{name} must be the same on all ranks; use the same config, data, packages and runs folder")


def _unequal(contents: Sequence[bytes | memoryview]) -> list[int]:
    """The indices of contents that differ between ranks, by a 64-bit hash."""
    hashes = [int.from_bytes(blake2b(content, digest_size=8).digest(), signed=True) for content in contents]
    mine = torch.tensor(hashes, dtype=torch.int64)
    least, most = mine.clone(), mine.clone()
    dist.all_reduce(least, dist.ReduceOp.MIN)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return (least != most).nonzero().flatten().tolist()


class _Launcher(_SubprocessScriptLauncher):
    """Lightning's launcher of the other ranks with our `Watch`; Lightning's observer would end rank 0 silently."""

    def __init__(self, watch: Watch, ranks: Ranks) -> None:
        super().__init__(ranks.environment, ranks.devices, ranks.nodes)
        self.watch = watch

    def launch(self, function: Callable[..., Any], *args: Any, trainer: pl.Trainer | None = None, **kwargs: Any) -> Any:
        """Start the other ranks, unless a cluster does, then call ``function``."""
        if not self.cluster_environment.creates_processes_externally:
            os.environ[PARENT] = str(os.getpid())
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # messages of the store when rank 0 is gone
            self._call_children_scripts()
            self.watch.children = dict(enumerate(self.procs, 1))
        return function(*args, **kwargs)


class SummedGradients(DDPStrategy):
    """Lightning's process groups without DDP's gradient hooks, and with ranks that notice when another one ends.

    DDP's hooks average the whole module once per backward pass, which suits neither alternating optimisers nor uneven
    shards. Instead, the module calls `sum_gradients` for the updated parameters. docs/distributed.md compares both.
    """

    def __init__(self, ranks: Ranks, watch: Watch, backend: str) -> None:
        super().__init__(process_group_backend=backend, timeout=TIMEOUT)
        self._ranks, self._watch = ranks, watch

    def _configure_launcher(self) -> None:
        self._launcher = _Launcher(self._watch, self._ranks)

    def setup_environment(self) -> None:
        """Join the process group and watch the other ranks."""
        super().setup_environment()
        self._watch.join()

    def configure_ddp(self) -> None:
        """Do not wrap the module in DDP; it sums its gradients itself."""
