"""Losses on the alpha mask itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.schedule import Schedule


@dataclass(frozen=True)
class MaskSize:
    """Mean of alpha, summed over identities: asks for the smallest mask that serves (faceswap-GAN v2, "L1")."""

    weight: float | Schedule = 1e-2
    side: str = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        masks = [step.reconstruction(name).mask for name in step.identities]
        if any(mask is None for mask in masks):
            raise UserError("the loss on the mask's size needs a mask; choose mask=learned or drop the term")
        return torch.stack([step.mean(mask) for mask in masks if mask is not None]).sum()
