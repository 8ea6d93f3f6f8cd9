"""Losses on faces that pass through other identities: cycle consistency, identity loss, identity embedding."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.collectives import sum_over_ranks
from swaplab.errors import UserError
from swaplab.losses.context import StepContext
from swaplab.losses.term import Side
from swaplab.networks.pretrained.identity import IdentityEmbedder
from swaplab.ranges import NotNegative
from swaplab.schedule import Weight


@dataclass(frozen=True)
class Cycle:
    """Mean absolute error of faces swapped to another identity and back (Zhu et al. 2017, equation 2), summed over
    ordered pairs of identities.

    ``clean``: start from the targets, as CycleGAN and faceswap-GAN v2.2 do; else from the noisy inputs, compared with
    the targets. ``alpha``: relative weight of the mean absolute difference between the masks of the two swaps
    (faceswap-GAN v2.2: 0.1); needs a mask. Raises UserError for a single identity.
    """

    weight: Weight = 10.0
    clean: bool = True
    alpha: NotNegative = 0.0
    side: Side = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            for via in others_of(step, name, "a cycle"):
                back = step.cycle(name, via, self.clean)
                losses.append(step.mean((back.raw - step.target(name)).abs()))
                if self.alpha:
                    there = step.swap(name, via, self.clean).mask
                    if back.mask is None or there is None:
                        raise UserError("alpha of a cycle loss needs a mask; set mask=learned or loss.cycle.alpha=0")
                    losses.append(self.alpha * step.mean((back.mask - there).abs()))
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class Sameness:
    """Mean absolute error of clean faces decoded as their own identity, the identity loss of CycleGAN (Zhu et al. 2017,
    section 5.2): the generator must leave faces of the target identity unchanged."""

    weight: Weight = 5.0
    side: Side = "generator"

    def __call__(self, step: StepContext) -> Tensor:
        losses = [step.mean((step.resemblance(name).raw - step.target(name)).abs()) for name in step.identities]
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class IdentityEmbedding:
    """1 - cosine between a swapped face's descriptor and the mean descriptor of the target's real faces in the batch;
    mean over faces, summed over ordered pairs of identities (as in FaceShifter, Li et al. 2020).

    Uses the frozen face-recognition network that also measures identity, so the run and its identity metrics are
    flagged. Raises UserError for a single identity.
    """

    weight: Weight = 0.1
    side: Side = "generator"
    recogniser: "Recogniser" = field(default_factory=lambda: Recogniser(), repr=False, compare=False)

    @property
    def pretrained(self) -> tuple[str, ...]:
        """Names, with hashes, of the pretrained networks that this term uses."""
        return (IdentityEmbedder.name,)

    def __call__(self, step: StepContext) -> Tensor:
        losses = []
        for name in step.identities:
            with torch.no_grad():
                real = sum_over_ranks(self.recogniser(step.target(name)).sum(0)) / step.settings.global_batch
            for other in others_of(step, name, "an identity embedding"):
                found = self.recogniser(step.swapped(other, name))
                losses.append(step.mean(1 - F.cosine_similarity(found, real[None])))
        return torch.stack(losses).sum()


class Recogniser:
    """The frozen identity network, loaded at first use and moved to the faces' device."""

    def __init__(self, load: Callable[[], nn.Module] = IdentityEmbedder) -> None:
        self._load = load
        self._network: nn.Module | None = None

    def __call__(self, faces: Tensor) -> Tensor:
        """Descriptors (n, 128) of faces (n, 3, R, R)."""
        if self._network is None:
            self._network = self._load()
        with torch.autocast(faces.device.type, enabled=False):
            descriptors: Tensor = self._network.to(faces.device, faces.dtype)(faces)
        return descriptors


def others_of(step: StepContext, name: str, what: str) -> tuple[str, ...]:
    """The identities except ``name``. Raises UserError if there are none; ``what`` names the loss in the message."""
    others = step.others(name)
    if not others:
        raise UserError(f"{what} needs a second identity; add one under data.identities or turn this loss off")
    return others
