"""Adversarial losses: one class a side, so that either can be replaced alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from swaplab.losses.context import StepContext
from swaplab.schedule import Schedule


def least_squares(scores: Tensor, label: float) -> Tensor:
    """Squared distance of patch scores to a label (Mao et al. 2017, equation 2); same shape as ``scores``."""
    return torch.square(scores - label)


def _fakes(step: StepContext, name: str) -> list[Tensor]:
    """The reconstruction's images that a discriminator sees: raw, and composed where there is a mask."""
    output = step.reconstruction(name)
    return [output.raw] if output.mask is None else [output.composed(step.input(name)), output.raw]


@dataclass(frozen=True)
class LSGANDiscriminator:
    """Real targets towards 1, reconstructions towards 0; mean over patches, summed over images and identities."""

    weight: float | Schedule = 1.0
    side: str = "discriminator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            losses.append(step.mean(least_squares(step.judge(step.target(name), name), 1.0)))
            losses += [step.mean(least_squares(step.judge(f.detach(), name), 0.0)) for f in _fakes(step, name)]
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class LSGANGenerator:
    """Reconstructions towards 1 in the discriminator's eyes; mean over patches, summed over images and identities."""

    weight: float | Schedule = 0.1
    side: str = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = [
            step.mean(least_squares(step.judge(fake, name), 1.0))
            for name in step.identities
            for fake in _fakes(step, name)
        ]
        return torch.stack(losses).sum()
