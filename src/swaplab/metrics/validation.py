"""The few numbers that training watches: cheap, and never the test split."""

from collections.abc import Sequence

import torch

from swaplab.metrics.evaluation import Swapper, swapped
from swaplab.metrics.pixels import masked_mse, psnr
from swaplab.metrics.task import SwapTask
from swaplab.thinning import evenly

FRAMES = 64  # of each identity and direction, evenly spread


def validation(model: Swapper, tasks: Sequence[SwapTask]) -> dict[str, float]:
    """Means over the tasks' frames, by the name that metrics are logged under.

    ``val/reconstruction_mse``, ``val/reconstruction_psnr``: each identity as itself, inside its face mask
    (else the whole region), the mean over identities; ``val/reconstruction_psnr/A`` for each.
    ``val/oracle_swap_psnr``: to the true swap, the mean over directions; only where there are true swaps, and
    never to choose a model by.
    """
    errors = {task.source: _reconstruction_error(model, task) for task in tasks}
    every = torch.stack([error.mean() for error in errors.values()])
    ratios = {name: float(psnr(error).mean()) for name, error in errors.items()}
    values = {
        "val/reconstruction_mse": float(every.mean()),
        "val/reconstruction_psnr": sum(ratios.values()) / len(ratios),
        **{f"val/reconstruction_psnr/{name}": ratio for name, ratio in ratios.items()},
    }
    swaps = [_swap_psnr(model, task) for task in tasks if task.truth is not None]
    return values | ({"val/oracle_swap_psnr": sum(swaps) / len(swaps)} if swaps else {})


def _reconstruction_error(model: Swapper, task: SwapTask) -> torch.Tensor:
    chosen = evenly(len(task.query), FRAMES)
    query = task.query[chosen]
    given = None if task.query_mask is None else task.query_mask[chosen]
    mask = torch.ones_like(query[:, :1]) if given is None else given
    return masked_mse(swapped(model, query, task.source, task.source, given)[2], query, mask)


def _swap_psnr(model: Swapper, task: SwapTask) -> float:
    assert task.truth is not None
    chosen = evenly(len(task.query), FRAMES)
    given = None if task.query_mask is None else task.query_mask[chosen]
    composed = swapped(model, task.query[chosen], task.source, task.target, given)[2]
    return float(psnr(masked_mse(composed, task.truth[chosen], task.mask[chosen])).mean())
