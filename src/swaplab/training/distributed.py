"""Several ranks as one: gradients are summed over ranks, because every rank's loss is a share of the global one."""

from collections.abc import Iterable, Iterator

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from swaplab.collectives import world_size

BUCKET_BYTES = 25 * 2**20


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


@torch.no_grad()
def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
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
    for bucket in _buckets(gradients):
        flat = torch.cat([g.reshape(-1) for g in bucket])
        dist.all_reduce(flat)
        for gradient, total in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(total.view_as(gradient))


class SummedGradients(DDPStrategy):
    """Lightning's process launch and groups without its gradient hooks.

    The hooks average once per backward over the whole module, which suits neither several optimisers in alternation nor
    odd shards; the module calls `sum_gradients` for what it steps instead.
    """

    def configure_ddp(self) -> None:
        pass
