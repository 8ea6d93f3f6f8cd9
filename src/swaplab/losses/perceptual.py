"""Perceptual loss: images compared in the features of a pretrained network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.reconstruction import shown
from swaplab.losses.term import Side
from swaplab.networks.pretrained.features import Features
from swaplab.schedule import Weight

IMAGES = ("raw", "composed", "mixed")


@dataclass(frozen=True)
class Perceptual:
    """Mean squared difference between features of reconstruction and target, with one weight per layer (Johnson et al.
    2016; in the form of faceswap-GAN v2.2), summed over layers and identities.

    ``backbone``: the feature network. ``layer_weights``: one per layer of it. ``normalised``: first normalise the
    features of each sample to mean 0 and standard deviation 1 over all channels and positions, as faceswap-GAN does.
    ``image``: ``raw``, ``composed``, or ``mixed``: share * raw + (1 - share) * composed with one share ~
    Beta(0.2, 0.2) per step, which saves one forward pass.

    Raises UserError if the numbers of weights and layers differ, or if ``image`` needs a mask and there is none.
    """

    backbone: Features
    layer_weights: Sequence[float]
    weight: Weight = 1.0
    image: Literal["raw", "composed", "mixed"] = "raw"
    normalised: bool = True
    side: Side = "generator"

    def __post_init__(self) -> None:
        if self.image not in IMAGES:
            raise UserError(f"image of a perceptual loss must be one of {', '.join(IMAGES)}; got {self.image!r}")
        if len(self.layer_weights) != len(self.backbone.layers):
            raise UserError(
                f"loss.perceptual.layer_weights must have one weight for each of {len(self.backbone.layers)} layers; "
                f"got {len(self.layer_weights)}"
            )

    @property
    def pretrained(self) -> tuple[str, ...]:
        """Names, with hashes, of the pretrained networks that this term uses."""
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
    """Features (n, ...) normalised per sample to mean 0 and standard deviation 1; 1e-3 is added to the deviation."""
    rows = features.flatten(1)
    deviation = rows.std(1, correction=0, keepdim=True)
    return (rows - rows.mean(1, keepdim=True)) / (deviation + 1e-3)
