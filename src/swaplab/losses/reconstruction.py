"""Pixel losses between the reconstruction of a face and its target."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.schedule import Schedule

IMAGES = ("raw", "composed")


def absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """|difference| a pixel and channel; two (n, 3, R, R) -> (n, 3, R, R)."""
    return (prediction - target).abs()


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared difference a pixel and channel; two (n, 3, R, R) -> (n, 3, R, R)."""
    return torch.square(prediction - target)


@dataclass(frozen=True)
class _PixelLoss:
    weight: float | Schedule = 1.0
    image: str = "raw"
    side: str = "generator"

    def __post_init__(self) -> None:
        if self.image not in IMAGES:
            raise UserError(f"a reconstruction loss compares one of {', '.join(IMAGES)}, not {self.image!r}")

    def _total(self, step: StepContext, error: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        def loss(name: str) -> Tensor:
            output = step.reconstruction(name)
            image = output.raw if self.image == "raw" else output.composed(step.input(name))
            return step.mean(error(image, step.target(name)))

        return torch.stack([loss(name) for name in step.identities]).sum()


@dataclass(frozen=True)
class MAE(_PixelLoss):
    """Mean absolute error of the reconstruction, summed over identities. ``image``: raw, or composed by the mask."""

    def __call__(self, step: StepContext) -> Tensor:
        return self._total(step, absolute_error)


@dataclass(frozen=True)
class MSE(_PixelLoss):
    """Mean squared error of the reconstruction, summed over identities. ``image``: raw, or composed by the mask."""

    def __call__(self, step: StepContext) -> Tensor:
        return self._total(step, squared_error)
