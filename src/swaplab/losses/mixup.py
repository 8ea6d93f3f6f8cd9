"""Mixup of the autoencoder's own batch: of its pictures or of its codes."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from swaplab.collectives import gathered
from swaplab.errors import UserError
from swaplab.ranges import Positive

PLACES = ("images", "codes")


@dataclass(frozen=True)
class Mixup:
    """Every face becomes a mixture with the next one of its identity: share * face + (1 - share) * next, with the
    share ~ Beta(alpha, alpha) of its own (Zhang et al. 2018, section 2).

    where: ``images`` mixes what the encoder sees and what the decoder shall give back. ``codes`` mixes codes and what
    the decoder shall give back (manifold mixup, Verma et al. 2019). The next face is that of the whole batch of all
    ranks. For mixtures of real and generated faces see the adversarial loss mixup_lsgan.
    """

    where: Literal["images", "codes"]
    alpha: Positive = 0.2

    def __post_init__(self) -> None:
        if self.where not in PLACES:
            raise UserError(f"mixup.where is {self.where!r}; choose {' or '.join(PLACES)}")
        if self.alpha <= 0:
            raise UserError(f"mixup.alpha is {self.alpha}; a Beta distribution needs a number above 0")


def mixed_with_next(values: Tensor, share: Tensor) -> Tensor:
    """``share`` (n,) of ``values`` (n, ...) plus the rest of the following row's; the last row takes the first's."""
    rows, begin = gathered(values)
    following = rows.roll(-1, 0)[begin : begin + len(values)]
    own = share.to(values.dtype).view(-1, *[1] * (values.dim() - 1))
    return own * values + (1 - own) * following
