"""Losses between the reconstruction of a face and its target, summed over identities; pictures in [0, 1]."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import Side, StepContext
from swaplab.losses.similarity import multi_scale_similarity, scales_of, similarity_map
from swaplab.ranges import NotNegative
from swaplab.schedule import Weight

IMAGES = ("raw", "composed")


def shown(step: StepContext, name: str, image: str) -> Tensor:
    """The ``raw`` or the ``composed`` reconstruction (n, 3, R, R); UserError for composed without a mask."""
    return step.reconstruction(name).raw if image == "raw" else step.composed(name)


@dataclass(frozen=True)
class ReconstructionLoss:
    """A loss that compares one image of the reconstruction, ``raw`` or ``composed`` by the mask, with the target."""

    weight: Weight = 1.0
    image: Literal["raw", "composed"] = "raw"
    side: Side = "generator"

    def __post_init__(self) -> None:
        if self.image not in IMAGES:
            raise UserError(f"a reconstruction loss compares one of {', '.join(IMAGES)}, not {self.image!r}")

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Values (n, ...) whose mean is the loss of two pictures (n, 3, R, R)."""
        raise NotImplementedError

    def __call__(self, step: StepContext) -> Tensor:
        losses = [step.mean(self.error(shown(step, name, self.image), step.target(name))) for name in step.identities]
        return torch.stack(losses).sum()


class MAE(ReconstructionLoss):
    """Mean absolute error; its minimum is the median, which is blurred."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs()


class MSE(ReconstructionLoss):
    """Mean squared error; its minimum is the mean, which is blurred."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.square(prediction - target)


class SSIM(ReconstructionLoss):
    """1 - structural similarity (Wang et al. 2004): 11x11 Gaussian windows of deviation 1.5, inside the picture."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        luminance, contrast = similarity_map(prediction, target)
        return 1 - luminance * contrast


class MSSSIM(ReconstructionLoss):
    """1 - structural similarity over several scales (Wang et al. 2003), each half the side of the one before.

    Five scales need 176 pixels. Smaller pictures take as many as hold one window (64 pixels: 3, 128: 4), with the
    paper's first weights divided by their sum, so values of different resolutions are not comparable.
    """

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return 1 - multi_scale_similarity(prediction, target, scales_of(min(prediction.shape[-2:])))


class Gradient(ReconstructionLoss):
    """Mean absolute error of the signed first differences, down plus across (Mathieu et al. 2016 compare
    their magnitudes: see `Edge`)."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        difference = prediction - target
        down = difference[..., 1:, :-1] - difference[..., :-1, :-1]
        across = difference[..., :-1, 1:] - difference[..., :-1, :-1]
        return down.abs() + across.abs()


@dataclass(frozen=True)
class FocalFrequency(ReconstructionLoss):
    """Squared distance of the 2-D spectra, weighted by the distance itself: hard frequencies first (Jiang et al. 2021).

    The weight of a frequency is |distance| ** ``alpha``, divided by its largest value in the picture and channel, and
    sends no gradient. Spectra are orthonormal, so a weight of 1 everywhere would be the MSE.
    """

    alpha: NotNegative = 1.0

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(prediction.device.type, enabled=False):  # there is no transform in half precision
            distance = torch.view_as_real(torch.fft.fft2(prediction - target, norm="ortho")).square().sum(-1)
        weight = distance.detach() ** (self.alpha / 2)
        largest = weight.amax((-2, -1), keepdim=True)
        return weight / largest.clamp(min=torch.finfo(weight.dtype).tiny) * distance


@dataclass(frozen=True)
class Auxiliary:
    """Mean absolute error of the decoder's further outputs, colours at lower resolutions, summed over them and over
    identities (faceswap-GAN v2.2).

    Targets are every k-th pixel, the pixel at the top left of each k x k block: what resizing meant in that code.
    Raises UserError for a generator without such outputs.
    """

    weight: Weight = 1.0
    side: Side = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            for image in step.reconstruction(name).aux.values():
                losses.append(step.mean((image - strided(step.target(name), image.shape[-1])).abs()))
        if not losses:
            raise UserError(
                "the auxiliary loss needs a generator with outputs at lower resolutions; set auxiliary=none"
            )
        return torch.stack(losses).sum()


def strided(pictures: Tensor, side: int) -> Tensor:
    """Every k-th pixel of pictures (n, c, R, R), from the top left: (n, c, side, side). ``side`` must divide R."""
    factor, rest = divmod(pictures.shape[-1], side)
    if rest:
        raise ValueError(f"{side} does not divide {pictures.shape[-1]}")
    return pictures[..., ::factor, ::factor]
