"""The few metrics measured during training: cheap, and never on the test split."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from swaplab.collectives import rank, sum_over_ranks, world_size
from swaplab.metrics.pixels import masked_mse, psnr
from swaplab.metrics.swapping import Swapper, swapped
from swaplab.metrics.task import SwapTask
from swaplab.thinning import evenly

FRAMES = 64  # at most this many per identity and direction, evenly spread


def validation(model: Swapper, tasks: Sequence[SwapTask]) -> dict[str, float]:
    """Means over the tasks' frames, by metric name.

    ``val/reconstruction_mse``, ``val/reconstruction_psnr``: each identity decoded as itself, inside its face mask
    (without a mask: the whole region), averaged over identities; ``val/reconstruction_psnr/A`` for each.
    ``val/oracle_swap_psnr``: to the true swap, averaged over directions; only if true swaps are known, and never used
    to choose a model.

    Each rank measures its share of the frames and all ranks get the same values, so every rank must call this.
    """
    judged = [task for task in tasks if task.truth is not None]
    sources = list({task.source: task for task in tasks}.values())
    measured = [_shared(task, partial(_reconstruction_errors, model, task)) for task in sources]
    measured += [_shared(task, partial(_swap_errors, model, task)) for task in judged]
    sizes = [len(errors) for errors in measured]
    parts = sum_over_ranks(torch.cat(measured)).split(sizes)
    errors = {task.source: part for task, part in zip(sources, parts, strict=False)}
    ratios = {name: float(psnr(error).mean()) for name, error in errors.items()}
    values = {
        "val/reconstruction_mse": float(torch.stack([error.mean() for error in errors.values()]).mean()),
        "val/reconstruction_psnr": sum(ratios.values()) / len(ratios),
        **{f"val/reconstruction_psnr/{name}": ratio for name, ratio in ratios.items()},
    }
    swaps = [float(psnr(error).mean()) for error in parts[len(sources) :]]
    return values | ({"val/oracle_swap_psnr": sum(swaps) / len(swaps)} if swaps else {})


def _shared(task: SwapTask, measure: Callable[[list[int]], Tensor]) -> Tensor:
    """Errors (n,) of the chosen frames, float64: this rank's share, and 0 for those of other ranks."""
    chosen = evenly(len(task.query), FRAMES)
    errors = torch.zeros(len(chosen), dtype=torch.float64)
    own = chosen[rank() :: world_size()]
    if own:
        errors[rank() :: world_size()] = measure(own).double()
    return errors


def _reconstruction_errors(model: Swapper, task: SwapTask, frames: list[int]) -> Tensor:
    query, given = _shown(task, frames)
    mask = torch.ones_like(query[:, :1]) if given is None else given
    return masked_mse(swapped(model, query, task.source, task.source, given)[2], query, mask)


def _swap_errors(model: Swapper, task: SwapTask, frames: list[int]) -> Tensor:
    assert task.truth is not None
    query, given = _shown(task, frames)
    composed = swapped(model, query, task.source, task.target, given)[2]
    return masked_mse(composed, task.truth[frames], task.mask[frames])


def _shown(task: SwapTask, frames: list[int]) -> tuple[Tensor, Tensor | None]:
    return task.query[frames], None if task.query_mask is None else task.query_mask[frames]
