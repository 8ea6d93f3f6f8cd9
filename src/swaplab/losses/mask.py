"""Losses on the alpha mask, summed over identities. All raise UserError without a learned mask."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.edge import edges
from swaplab.losses.term import Side
from swaplab.schedule import Weight, value_at


def alpha_of(step: StepContext, name: str, what: str) -> Tensor:
    """The mask (n, 1, R, R) of a reconstruction; ``what``: the loss, for the error message."""
    if step.settings.composition.by is not None:
        raise UserError(
            f"the loss on the mask's {what} has no effect because the mask is given, not learned; set mask=learned or "
            f"turn this loss off"
        )
    mask = step.reconstruction(name).mask
    if mask is None:
        raise UserError(f"the loss on the mask's {what} needs a mask; set mask=learned or turn this loss off")
    return mask


@dataclass(frozen=True)
class MaskSize:
    """Mean of alpha to a ``power``: favours small masks (faceswap-GAN v2, 2018, "L1").

    ``power``: 1, or 2, which hardly penalises a small alpha (its Wasserstein notebook). Raises UserError for others.
    """

    weight: Weight = 1e-2
    power: Literal[1, 2] = 1
    side: Side = "generator"

    def __post_init__(self) -> None:
        if self.power not in (1, 2):
            raise UserError(f"power of a mask-size loss must be 1 or 2; got {self.power}")

    def __call__(self, step: StepContext) -> Tensor:
        sizes = [step.mean(alpha_of(step, name, "size") ** self.power) for name in step.identities]
        return torch.stack(sizes).sum()


@dataclass(frozen=True)
class MaskHinge:
    """Mean of max(0, ``margin`` - alpha): favours a mask of at least ``margin`` everywhere (faceswap-GAN v2, 2018).

    ``margin``: a number in [0, 1], or a schedule over progress.
    """

    weight: Weight = 0.1
    margin: Weight = 0.5
    side: Side = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        margin = value_at(self.margin, step.progress)
        losses = [step.mean(F.relu(margin - alpha_of(step, name, "margin"))) for name in step.identities]
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class MaskVariation:
    """Total variation of alpha, mean absolute vertical plus horizontal difference: favours smooth masks (Rudin et al.
    1992; faceswap-GAN v2.2)."""

    weight: Weight = 0.1
    side: Side = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            down, across = edges(alpha_of(step, name, "variation"))
            losses.append(step.mean(down + across))
        return torch.stack(losses).sum()
