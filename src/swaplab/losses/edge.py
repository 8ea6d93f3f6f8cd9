"""Losses on edges and eyes, which hardly affect a mean over all pixels."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from swaplab.losses.context import StepContext
from swaplab.losses.reconstruction import ReconstructionLoss, shown
from swaplab.schedule import Weight


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """|difference| to the next pixel below and to the right: (n, c, R, R) -> two (n, c, R - 1, R - 1)."""
    here = x[..., :-1, :-1]
    return (here - x[..., 1:, :-1]).abs(), (here - x[..., :-1, 1:]).abs()


def edge_error(prediction: Tensor, target: Tensor) -> Tensor:
    """|difference| of edge strengths, vertical plus horizontal: two (n, c, R, R) -> (n, c, R - 1, R - 1)."""
    (down, across), (wanted_down, wanted_across) = edges(prediction), edges(target)
    return (down - wanted_down).abs() + (across - wanted_across).abs()


class Edge(ReconstructionLoss):
    """Mean absolute error of absolute first differences, vertical plus horizontal: edge strength without its sign
    (faceswap-GAN v2.2)."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return edge_error(prediction, target)


@dataclass(frozen=True)
class _MaskedLoss(ReconstructionLoss):
    """A reconstruction loss inside the target's mask ``mask``; the mean is over all pixels, not only the mask's."""

    weight: Weight = 30.0
    mask: Literal["face", "eyes", "mouth", "occluder", "hull"] = "eyes"

    def masked(self, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError

    def __call__(self, step: StepContext) -> Tensor:
        losses = [
            step.mean(
                self.masked(
                    shown(step, name, self.image),
                    step.target(name),
                    step.mask(name, self.mask),
                )
            )
            for name in step.identities
        ]
        return torch.stack(losses).sum()


class Eyes(_MaskedLoss):
    """Mean absolute error inside the eye mask (faceswap-GAN v2.2). Raises UserError if the batch has no such mask."""

    def masked(self, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return mask * (prediction - target).abs()


class EyesEdge(_MaskedLoss):
    """The edge loss inside the eye mask (faceswap-GAN v2.2). Raises UserError if the batch has no such mask."""

    def masked(self, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return resized(mask, mask.shape[-1] - 1) * edge_error(prediction, target)


def resized(x: Tensor, side: int) -> Tensor:
    """Bilinear resize without antialiasing, anchored at the top left pixel: (n, c, R, R) -> (n, c, side, side).

    Output pixel k is sampled at k * R / side, as in TensorFlow 1; the last row and column repeat at the border.
    """
    length = x.shape[-1]
    at = torch.arange(side, device=x.device, dtype=torch.float64) * length / side
    low = at.floor().long()
    high, part = (low + 1).clamp(max=length - 1), (at - low).to(x.dtype)
    rows = torch.lerp(x[..., low, :], x[..., high, :], part[:, None])
    return torch.lerp(rows[..., low], rows[..., high], part)
