"""Relativistic average least squares: scores are compared with the average score of the other kind of face."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from swaplab.collectives import global_sum
from swaplab.losses.adversarial import AdversarialTerm, DiscriminatorTerm, judged_images, least_squares
from swaplab.losses.context import StepContext
from swaplab.losses.term import Side
from swaplab.schedule import Weight


def batch_average(step: StepContext, scores: Tensor) -> Tensor:
    """Scores (n, k, h, w) averaged over the faces of all ranks: (k, h, w), separately for every patch position."""
    return global_sum(scores.sum(0)) / step.settings.global_batch


@dataclass(frozen=True)
class RelativisticLSGANDiscriminator(DiscriminatorTerm):
    """Least squares: scores of real faces 1 above the average raw image, raw images at ``opposite`` from the average
    real face (Jolicoeur-Martineau 2018, RaLSGAN; in the form of faceswap-GAN v2.2).

    Composed images use plain least squares, which v2.2 found more stable early in training. All terms have weight 1/2.
    ``opposite``: label of the second direction, 0 in faceswap-GAN, -1 in the paper.
    """

    opposite: Annotated[float, Field(ge=-1, le=1)] = 0.0

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            real = step.judge(step.target(name), name)
            for fake in self.fakes(step, name):
                score = step.judge(fake.image, name, fake.condition)
                if fake.kind == "composed":
                    losses += [least_squares(real, 1.0), least_squares(score, 0.0)]
                else:
                    losses += _relative(step, real, score, self.opposite)
        return torch.stack([step.mean(loss) / 2 for loss in losses]).sum()


@dataclass(frozen=True)
class RelativisticLSGANGenerator(AdversarialTerm):
    """The discriminator's relativistic terms with real and raw exchanged; composed images towards 1 with weight 1
    (Jolicoeur-Martineau 2018, RaLSGAN; in the form of faceswap-GAN v2.2)."""

    weight: Weight = 0.1
    opposite: Annotated[float, Field(ge=-1, le=1)] = 0.0
    side: Side = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            real = step.judge(step.target(name), name)
            for fake in judged_images(step, name, self.judged):
                score = step.judge(fake.image, name, fake.condition)
                if fake.kind == "composed":
                    losses.append(step.mean(least_squares(score, 1.0)))
                else:
                    losses += [step.mean(loss) / 2 for loss in _relative(step, score, real, self.opposite)]
        return torch.stack(losses).sum()


def _relative(step: StepContext, better: Tensor, worse: Tensor, opposite: float) -> list[Tensor]:
    """``better`` 1 above the average of ``worse``, and ``worse`` at ``opposite`` from the average of ``better``."""
    return [
        least_squares(better - batch_average(step, worse), 1.0),
        least_squares(worse - batch_average(step, better), opposite),
    ]
