"""The few metrics of Lightning's validation and test loops: cheap, and exact for any number of ranks."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypedDict

import torch
from torch import Tensor, nn

from swaplab.collectives import rank, sum_over_ranks, world_size
from swaplab.metrics.pixels import masked_mse, psnr
from swaplab.metrics.swapping import Swapper, swapped
from swaplab.metrics.task import SwapTask
from swaplab.thinning import evenly

FRAMES = 64  # at most this many per identity and direction, evenly spread


class Measured(TypedDict):
    """Faces of one identity that are decoded as ``target`` and compared with ``truth`` inside ``mask``.

    ``row``: index of the errors. ``place``: (n,) their places in it. Faces (n, 3, R, R), masks (n, 1, R, R), in [0, 1].
    """

    row: int
    place: Tensor
    source: str
    target: str
    query: Tensor
    query_mask: Tensor | None
    truth: Tensor
    mask: Tensor


class Validation:
    """Means over the frames of some tasks, by metric name, for ``split``.

    ``val/reconstruction_mse``, ``val/reconstruction_psnr``: each identity decoded as itself, inside its face mask
    (without a mask: the whole region), averaged over identities; ``val/reconstruction_psnr/A`` for each.
    ``val/oracle_swap_psnr``: to the true swap, averaged over directions; only if true swaps are known, and never used
    to choose a model.

    ``tasks`` are asked for when they are needed; ``use`` makes a model of a generator. Each rank measures its
    `batches`, and `compute` gives all ranks the same values.
    """

    def __init__(
        self, tasks: Callable[[], Sequence[SwapTask]], use: Callable[[nn.Module], Swapper], split: str = "val"
    ) -> None:
        self._tasks, self._use, self._split = tasks, use, split
        self._model: Swapper | None = None
        self._errors: list[Tensor] = []
        self._counts: list[Tensor] = []

    @cached_property
    def _sources(self) -> list[SwapTask]:
        return list({task.source: task for task in self._all}.values())

    @cached_property
    def _swaps(self) -> list[SwapTask]:
        return [task for task in self._all if task.truth is not None]

    @cached_property
    def _all(self) -> Sequence[SwapTask]:
        return self._tasks()

    def batches(self, number: int = 0, world: int = 1) -> list[Measured]:
        """The share of rank ``number``: a batch for each identity, then one for each direction; maybe an empty one."""
        rows = [(task, task.source) for task in self._sources] + [(task, task.target) for task in self._swaps]
        return [self._batch(row, task, target, number, world) for row, (task, target) in enumerate(rows)]

    def update(self, generator: nn.Module, batch: Measured) -> None:
        """Measure the frames of a batch; all batches until `compute` are measured with one generator."""
        self._model = self._model or self._use(generator)
        if not self._errors:
            self._begin()
        if not len(batch["place"]):
            return
        query, mask, given = batch["query"], batch["mask"], batch["query_mask"]
        composed = swapped(self._model, query, batch["source"], batch["target"], given)[2]
        truth, mask = (faces.to(composed.device, composed.dtype) for faces in (batch["truth"], mask))
        place = batch["place"].cpu()
        self._errors[batch["row"]][place] = masked_mse(composed, truth, mask).double()
        self._counts[batch["row"]][place] += 1

    def compute(self) -> dict[str, float]:
        """The metrics of all frames that any rank has measured since the last call. Every rank must call it."""
        if not self._errors:
            self._begin()
        sizes = [len(row) for row in self._errors]
        errors = sum_over_ranks(torch.cat(self._errors)).split(sizes)
        counts = sum_over_ranks(torch.cat(self._counts)).split(sizes)
        rows = [error[count > 0] for error, count in zip(errors, counts, strict=True)]
        self._model, self._errors = None, []
        own = {task.source: row for task, row in zip(self._sources, rows, strict=False) if len(row)}
        swaps = [float(psnr(row).mean()) for row in rows[len(self._sources) :] if len(row)]
        return (self._reconstructions(own) if own else {}) | (
            {f"{self._split}/oracle_swap_psnr": sum(swaps) / len(swaps)} if swaps else {}
        )

    def __call__(self, generator: nn.Module) -> dict[str, float]:
        """Measure a generator outside Lightning's loops. Every rank must call it."""
        for batch in self.batches(rank(), world_size()):
            self.update(generator, batch)
        return self.compute()

    def _reconstructions(self, errors: dict[str, Tensor]) -> dict[str, float]:
        ratios = {name: float(psnr(error).mean()) for name, error in errors.items()}
        return {
            f"{self._split}/reconstruction_mse": float(torch.stack([e.mean() for e in errors.values()]).mean()),
            f"{self._split}/reconstruction_psnr": sum(ratios.values()) / len(ratios),
            **{f"{self._split}/reconstruction_psnr/{name}": ratio for name, ratio in ratios.items()},
        }

    def _begin(self) -> None:
        sizes = [len(evenly(len(task.query), FRAMES)) for task in (*self._sources, *self._swaps)]
        self._errors = [torch.zeros(size, dtype=torch.float64) for size in sizes]
        self._counts = [torch.zeros(size, dtype=torch.float64) for size in sizes]

    @staticmethod
    def _batch(row: int, task: SwapTask, target: str, number: int, world: int) -> Measured:
        chosen = evenly(len(task.query), FRAMES)
        place = list(range(number, len(chosen), world))
        frames = [chosen[i] for i in place]
        given = None if task.query_mask is None else task.query_mask[frames]
        query = task.query[frames]
        if target == task.source:
            truth, mask = query, torch.ones_like(query[:, :1]) if given is None else given
        else:
            assert task.truth is not None
            truth, mask = task.truth[frames], task.mask[frames]
        return Measured(
            row=row,
            place=torch.tensor(place, dtype=torch.int64),
            source=task.source,
            target=target,
            query=query,
            query_mask=given,
            truth=truth,
            mask=mask,
        )
