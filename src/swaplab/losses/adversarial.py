"""Adversarial losses on single scores; generator and discriminator have a class each and can be replaced separately.

All are means over patches and faces, summed over generated images and identities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.term import Side
from swaplab.ranges import Positive
from swaplab.schedule import Weight

Kind = Literal["composed", "raw", "swap"]
JUDGED: tuple[Kind, ...] = get_args(Kind)
MIXUP = "mixup of judged faces"  # random stream of the mixing shares; the generator's mixtures use another one


class History(Protocol):
    """Chooses the images that the discriminator sees, from this step or earlier ones (Shrivastava et al. 2017)."""

    def __call__(self, step: StepContext, place: str, pairs: Tensor) -> Tensor:
        """Replacements (n, 6, R, R) for this step's ``pairs`` of image and condition; ``place`` names their stream."""
        ...

    def state(self) -> dict[str, Tensor]:
        """The stored images, for the checkpoint; the same on all ranks."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Resume from a state."""
        ...


@dataclass(frozen=True)
class Judged:
    """Generated images (n, 3, R, R) for the discriminator, and the generator's inputs (n, 3, R, R) they come from."""

    kind: str
    image: Tensor
    condition: Tensor


def judged_images(step: StepContext, name: str, kinds: Sequence[str] | None) -> list[Judged]:
    """The generated images that the discriminator of ``name`` sees.

    ``kinds``: any of ``raw`` and ``composed`` (reconstructions) and ``swap`` (the faces of every other identity decoded
    as ``name``, with the run's composition). None: raw, and with a mask also composed. Raises UserError for an image
    that the generator does not produce.
    """
    output = None if kinds is not None and set(kinds) <= {"swap"} else step.reconstruction(name)
    if kinds is None:
        kinds = ("raw",) if output is None or output.mask is None else ("composed", "raw")
    found = []
    for kind in kinds:
        if kind == "swap":
            found += _swaps(step, name)
        elif kind in JUDGED and output is not None:
            found.append(Judged(kind, output.raw if kind == "raw" else step.composed(name), step.input(name)))
        else:
            raise UserError(f"judged must list any of {', '.join(JUDGED)}; got {kind!r}")
    if not found:
        raise UserError("judged is empty, so the discriminator would see no generated image; set raw or composed")
    return found


def _swaps(step: StepContext, name: str) -> list[Judged]:
    others = step.others(name)
    if not others:
        raise UserError("judged=[swap] needs at least two identities; add one or use raw")
    return [Judged(f"swap from {other}", step.swapped(other, name), step.input(other)) for other in others]


@dataclass(frozen=True)
class AdversarialTerm:
    """Settings of both sides. ``judged``: the generated images to use, see `judged_images`.

    A term that needs unbounded scores sets ``unbounded = True``; it cannot use a discriminator that ends in a sigmoid.
    """

    weight: Weight = 1.0
    judged: Annotated[Sequence[Kind], Field(min_length=1)] | None = None


@dataclass(frozen=True)
class DiscriminatorTerm(AdversarialTerm):
    """``history`` replaces some images by those of earlier steps; None: the discriminator sees only this step's."""

    history: History | None = None
    side: Side = "discriminator"

    def fakes(self, step: StepContext, name: str) -> list[Judged]:
        """The generated images for the discriminator, detached."""
        images = judged_images(step, name, self.judged)
        return [self._remembered(step, name, Judged(f.kind, f.image.detach(), f.condition)) for f in images]

    def _remembered(self, step: StepContext, name: str, fake: Judged) -> Judged:
        if self.history is None:
            return fake
        pairs = self.history(step, f"{name} {fake.kind}", torch.cat([fake.image, fake.condition], 1))
        return Judged(fake.kind, *pairs.split(3, 1))


class PointwiseDiscriminator(DiscriminatorTerm):
    """A penalty on the scores of real faces and one on those of each generated image."""

    def real(self, scores: Tensor) -> Tensor:
        raise NotImplementedError

    def fake(self, scores: Tensor) -> Tensor:
        raise NotImplementedError

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            losses.append(step.mean(self.real(step.judge(step.target(name), name))))
            for f in self.fakes(step, name):
                losses.append(step.mean(self.fake(step.judge(f.image, name, f.condition))))
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class PointwiseGenerator(AdversarialTerm):
    """A penalty on the scores of each generated image."""

    weight: Weight = 0.1
    side: Side = "generator"

    def fooled(self, scores: Tensor) -> Tensor:
        raise NotImplementedError

    def __call__(self, step: StepContext) -> Tensor:
        losses = [
            step.mean(self.fooled(step.judge(f.image, name, f.condition)))
            for name in step.identities
            for f in judged_images(step, name, self.judged)
        ]
        return torch.stack(losses).sum()


def least_squares(scores: Tensor, label: float) -> Tensor:
    """Squared distance of patch scores to a label (Mao et al. 2017, equation 2); same shape as ``scores``."""
    return torch.square(scores - label)


class LSGANDiscriminator(PointwiseDiscriminator):
    """Least squares (Mao et al. 2017, equation 2): real faces towards 1, generated images towards 0."""

    def real(self, scores: Tensor) -> Tensor:
        return least_squares(scores, 1.0)

    def fake(self, scores: Tensor) -> Tensor:
        return least_squares(scores, 0.0)


class LSGANGenerator(PointwiseGenerator):
    """Least squares (Mao et al. 2017, equation 2): generated images towards 1."""

    def fooled(self, scores: Tensor) -> Tensor:
        return least_squares(scores, 1.0)


class StandardDiscriminator(PointwiseDiscriminator):
    """Cross-entropy of real and generated images (Goodfellow et al. 2014, equation 1); scores are logits."""

    unbounded = True

    def real(self, scores: Tensor) -> Tensor:
        return F.softplus(-scores)

    def fake(self, scores: Tensor) -> Tensor:
        return F.softplus(scores)


class StandardGenerator(PointwiseGenerator):
    """Negative log-probability of being real, the non-saturating form (Goodfellow et al. 2014, section 3)."""

    unbounded = True

    def fooled(self, scores: Tensor) -> Tensor:
        return F.softplus(-scores)


class HingeDiscriminator(PointwiseDiscriminator):
    """Hinge (Lim & Ye 2017; Miyato et al. 2018, equation 16): no loss for real scores above 1 and others below -1."""

    unbounded = True

    def real(self, scores: Tensor) -> Tensor:
        return F.relu(1 - scores)

    def fake(self, scores: Tensor) -> Tensor:
        return F.relu(1 + scores)


class HingeGenerator(PointwiseGenerator):
    """The negative score (Lim & Ye 2017; Miyato et al. 2018, equation 17)."""

    unbounded = True

    def fooled(self, scores: Tensor) -> Tensor:
        return -scores


@dataclass(frozen=True)
class MixupLSGANDiscriminator(DiscriminatorTerm):
    """Least squares on mixtures of a real and a generated face, labelled by the real share (faceswap-GAN v2.2, 2018).

    share ~ Beta(alpha, alpha), one number per step and identity for the whole batch and all generated images (mixup of
    Zhang et al. 2018 on the discriminator's inputs).
    """

    alpha: Positive = 0.2

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            for fake in self.fakes(step, name):
                mixture, condition, share = mixed(step, name, fake, self.alpha, MIXUP)
                losses.append(step.mean(least_squares(step.judge(mixture, name, condition), share)))
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class MixupLSGANGenerator(PointwiseGenerator):
    """Least squares towards 1 for the generated images, unmixed (faceswap-GAN v2.2, 2018).

    ``mixed``: use mixtures instead, with a separately drawn share and the opposite label, 1 - share (v1 and v2, 2018).
    """

    mixed: bool = False
    alpha: Positive = 0.2

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def fooled(self, scores: Tensor) -> Tensor:
        return least_squares(scores, 1.0)

    def __call__(self, step: StepContext) -> Tensor:
        if not self.mixed:
            return super().__call__(step)
        losses = []
        for name in step.identities:
            for fake in judged_images(step, name, self.judged):
                mixture, condition, share = mixed(step, name, fake, self.alpha, f"{MIXUP}, generator")
                losses.append(step.mean(least_squares(step.judge(mixture, name, condition), 1 - share)))
        return torch.stack(losses).sum()


def mixed(step: StepContext, name: str, fake: Judged, alpha: float, stream: str) -> tuple[Tensor, Tensor, float]:
    """The mixture of real and generated faces of ``name``, the mixture of their conditions, and the real share, drawn
    from ``stream``."""
    share = step.one_beta(stream, name, alpha)
    mixture = share * step.target(name) + (1 - share) * fake.image
    return mixture, share * step.input(name) + (1 - share) * fake.condition, share


def _check_alpha(alpha: float) -> None:
    if alpha <= 0:
        raise UserError(f"alpha of an adversarial mixup must be above 0; got {alpha}")
