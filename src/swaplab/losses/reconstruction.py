"""Losses between the reconstruction of a face and its target, summed over identities; images in [0, 1]."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.similarity import multi_scale_similarity, scales_of, similarity_map
from swaplab.losses.term import Side
from swaplab.ranges import NotNegative
from swaplab.schedule import Weight

IMAGES = ("raw", "composed")


def shown(step: StepContext, name: str, image: str) -> Tensor:
    """The ``raw`` or ``composed`` reconstruction (n, 3, R, R). Raises UserError for composed without a mask."""
    return step.reconstruction(name).raw if image == "raw" else step.composed(name)


@dataclass(frozen=True)
class ReconstructionLoss:
    """A loss between the target and one image of the reconstruction, ``raw`` or ``composed`` by the mask."""

    weight: Weight = 1.0
    image: Literal["raw", "composed"] = "raw"
    side: Side = "generator"

    def __post_init__(self) -> None:
        if self.image not in IMAGES:
            raise UserError(f"image of a reconstruction loss must be {' or '.join(IMAGES)}; got {self.image!r}")

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Values (n, ...) whose mean is the loss between two images (n, 3, R, R)."""
        raise NotImplementedError

    def __call__(self, step: StepContext) -> Tensor:
        losses = [step.mean(self.error(shown(step, name, self.image), step.target(name))) for name in step.identities]
        return torch.stack(losses).sum()


class L1(ReconstructionLoss):
    """Mean absolute error; its optimum is the median of possible images, which is blurred."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs()


class MSE(ReconstructionLoss):
    """Mean squared error; its optimum is the mean of possible images, which is blurred."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.square(prediction - target)


class SSIM(ReconstructionLoss):
    """1 - structural similarity (Wang et al. 2004): 11x11 Gaussian windows of standard deviation 1.5, no padding."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        luminance, contrast = similarity_map(prediction, target)
        return 1 - luminance * contrast


class MSSSIM(ReconstructionLoss):
    """1 - structural similarity over several scales (Wang et al. 2003), each half the size of the previous one.

    Five scales need 176 pixels. Smaller images use as many as hold one window (64 pixels: 3, 128: 4), with the paper's
    first weights divided by their sum, so values at different resolutions are not comparable.
    """

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return 1 - multi_scale_similarity(prediction, target, scales_of(min(prediction.shape[-2:])))


class Gradient(ReconstructionLoss):
    """Mean absolute error of signed first differences, vertical plus horizontal (Mathieu et al. 2016 compare their
    magnitudes: see `Edge`)."""

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        difference = prediction - target
        down = difference[..., 1:, :-1] - difference[..., :-1, :-1]
        across = difference[..., :-1, 1:] - difference[..., :-1, :-1]
        return down.abs() + across.abs()


@dataclass(frozen=True)
class FocalFrequency(ReconstructionLoss):
    """Squared distance of 2-D spectra, weighted by the distance itself: hard frequencies first (Jiang et al. 2021).

    The weight of a frequency is |distance| ** ``alpha``, divided by its maximum over the image and channel, without
    gradient. Spectra are orthonormal, so with all weights 1 the loss equals the MSE.
    """

    alpha: NotNegative = 1.0

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(prediction.device.type, enabled=False):  # no FFT in half precision
            distance = torch.view_as_real(torch.fft.fft2(prediction - target, norm="ortho")).square().sum(-1)
        weight = distance.detach() ** (self.alpha / 2)
        largest = weight.amax((-2, -1), keepdim=True)
        return weight / largest.clamp(min=torch.finfo(weight.dtype).tiny) * distance


@dataclass(frozen=True)
class Auxiliary:
    """Mean absolute error of the decoder's lower-resolution outputs, summed over outputs and identities (faceswap-GAN
    v2.2).

    Targets take every k-th pixel, the top left one of each k x k block, as resizing did in that code. Raises UserError
    for a generator without such outputs.
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
                "the auxiliary loss needs a generator with outputs at lower resolutions; set loss/auxiliary=none"
            )
        return torch.stack(losses).sum()


def strided(pictures: Tensor, side: int) -> Tensor:
    """Every k-th pixel of images (n, c, R, R), from the top left: (n, c, side, side). Raises ValueError unless ``side``
    divides R."""
    factor, rest = divmod(pictures.shape[-1], side)
    if rest:
        raise ValueError(f"side={side} must divide the image's side, {pictures.shape[-1]}")
    return pictures[..., ::factor, ::factor]
