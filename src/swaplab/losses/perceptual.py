"""Perceptual loss: pictures compared in the features of a pretrained network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import Side, StepContext
from swaplab.losses.reconstruction import shown
from swaplab.networks.pretrained.features import Features
from swaplab.schedule import Weight

IMAGES = ("raw", "composed", "mixed")


@dataclass(frozen=True)
class Perceptual:
    """Mean squared difference of features of reconstruction and target, a weight a layer (Johnson et al. 2016; in the
    form of faceswap-GAN v2.2), summed over layers and identities.

    backbone: gives the features. layer_weights: one for each of its layers. normalised: features of a sample are first
    given mean 0 and deviation 1 over all their channels and places, as there. image: ``raw``, ``composed``, or
    ``mixed``: share * raw + (1 - share) * composed with one share ~ Beta(0.2, 0.2) a step, which saves a pass.

    Raises UserError for another number of weights than layers, or an image that needs a mask without one.
    """

    backbone: Features
    layer_weights: Sequence[float]
    weight: Weight = 1.0
    image: Literal["raw", "composed", "mixed"] = "raw"
    normalised: bool = True
    side: Side = "generator"

    def __post_init__(self) -> None:
        if self.image not in IMAGES:
            raise UserError(f"a perceptual loss compares one of {', '.join(IMAGES)}, not {self.image!r}")
        if len(self.layer_weights) != len(self.backbone.layers):
            raise UserError(
                f"losses.perceptual has {len(self.layer_weights)} layer_weights for {len(self.backbone.layers)} "
                f"layers; give one for each"
            )

    @property
    def pretrained(self) -> tuple[str, ...]:
        """Names, with hashes, of the networks that this term trains against."""
        return (self.backbone.name,)

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            with torch.no_grad():
                wanted = self._features(step.target(name))
            found = self._features(self._image(step, name))
            for weight, a, b in zip(self.layer_weights, found, wanted, strict=True):
                losses.append(weight * step.mean(torch.square(a - b)))
        return torch.stack(losses).sum()

    def _image(self, step: StepContext, name: str) -> Tensor:
        if self.image != "mixed":
            return shown(step, name, self.image)
        share = step.one_beta("perceptual mixture", name, 0.2)
        return share * step.reconstruction(name).raw + (1 - share) * step.composed(name)

    def _features(self, faces: Tensor) -> list[Tensor]:
        with torch.autocast(faces.device.type, enabled=False):
            features = self.backbone.to(faces.device, faces.dtype)(faces)
        return [standardised(f) for f in features] if self.normalised else features


def standardised(features: Tensor) -> Tensor:
    """Features (n, ...) with mean 0 and deviation 1 a sample; 1e-3 is added to the deviation."""
    rows = features.flatten(1)
    deviation = rows.std(1, correction=0, keepdim=True)
    return (rows - rows.mean(1, keepdim=True)) / (deviation + 1e-3)
