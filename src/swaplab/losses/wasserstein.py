"""Wasserstein losses and the gradient penalty that keeps the critic Lipschitz."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from swaplab.collectives import global_sum
from swaplab.errors import UserError
from swaplab.losses.adversarial import Kind, PointwiseDiscriminator, PointwiseGenerator, judged_images
from swaplab.losses.context import StepContext
from swaplab.losses.term import Side
from swaplab.networks.names import DISCRIMINATOR
from swaplab.schedule import Weight

PENALTIES = ("sample", "batch")


@dataclass(frozen=True)
class WassersteinDiscriminator(PointwiseDiscriminator):
    """Critic loss: mean score of generated images minus that of real faces (Arjovsky et al. 2017, equation 2).

    ``sign``: 1 scores real faces high, as in the paper; -1 scores them low, the convention of the 2018 face-swap
    notebook (real labelled 1 in mean(label * score)). ``unbounded``: the critic must not end in a sigmoid; in that
    notebook it does. Raises UserError for another sign.
    """

    sign: Literal[1, -1] = 1
    unbounded: bool = True

    def __post_init__(self) -> None:
        _check_sign(self.sign)

    def real(self, scores: Tensor) -> Tensor:
        return -self.sign * scores

    def fake(self, scores: Tensor) -> Tensor:
        return self.sign * scores


@dataclass(frozen=True)
class WassersteinGenerator(PointwiseGenerator):
    """Generated images should get the scores of real faces (Arjovsky et al. 2017). Options are those of the critic."""

    sign: Literal[1, -1] = 1
    unbounded: bool = True

    def __post_init__(self) -> None:
        _check_sign(self.sign)

    def fooled(self, scores: Tensor) -> Tensor:
        return -self.sign * scores


@dataclass(frozen=True)
class GradientPenalty:
    """Squared distance to 1 of the critic's gradient norm between real and generated faces (Gulrajani et al. 2017).

    The gradient is taken at u * real + (1 - u) * generated, with u uniform in [0, 1) per face; conditions are not
    mixed. ``penalty``: ``sample`` as in the paper, one norm per face, of the gradient of its mean patch score; or
    ``batch`` as in the 2018 face-swap notebook, one norm over the gradients of the whole batch, of the sum of all
    scores. ``judged``: the generated image, ``raw``, ``composed`` or ``swap``. Norms are for images in [-1, 1], as in
    both sources. Computed in float32 outside autocast, because half precision is too inaccurate.

    Raises UserError for a per-sample penalty on a critic with batch norm, where a score depends on the whole batch.
    """

    weight: Weight = 10.0
    penalty: Literal["sample", "batch"] = "sample"
    judged: Kind = "raw"
    side: Side = "discriminator"

    def __post_init__(self) -> None:
        if self.penalty not in PENALTIES:
            raise UserError(f"penalty of a gradient penalty must be {' or '.join(PENALTIES)}; got {self.penalty!r}")

    def __call__(self, step: StepContext) -> Tensor:
        critic = step.networks[DISCRIMINATOR]
        batch_norms = [m for m in critic.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if self.penalty == "sample" and batch_norms:
            raise UserError(
                "a gradient penalty per face cannot be used with batch norm, where a score depends on the whole batch; "
                "set discriminator.norm=null, norm=layer or norm=instance"
            )
        losses = []
        with torch.enable_grad(), torch.autocast(step.target(step.identities[0]).device.type, enabled=False):
            for name in step.identities:
                for fake in judged_images(step, name, [self.judged]):
                    u = step.uniform(f"gradient penalty {fake.kind}", name)[:, None, None, None]
                    between = (u * step.target(name) + (1 - u) * fake.image.detach()).requires_grad_()
                    scores = step.judge(between, name, fake.condition)
                    losses.append(self._penalty(step, scores, between))
        return torch.stack(losses).sum()

    def _penalty(self, step: StepContext, scores: Tensor, at: Tensor) -> Tensor:
        """This rank's share of the penalty for scores (n, k, h, w) of faces ``at`` (n, 3, R, R)."""
        a_face = 1 if self.penalty == "batch" else scores[0].numel()
        (gradient,) = torch.autograd.grad(scores.sum() / a_face, at, create_graph=True)
        squares = torch.square(gradient / 2).sum((1, 2, 3))  # the slope on [0, 1] is twice that on [-1, 1]
        if self.penalty == "batch":
            squares = global_sum(squares.sum()).expand(len(at))
        return step.mean(torch.square(squares.sqrt() - 1))


def _check_sign(sign: int) -> None:
    if sign not in (1, -1):
        raise UserError(f"sign of a Wasserstein loss must be 1 (real faces score high) or -1 (low); got {sign}")
