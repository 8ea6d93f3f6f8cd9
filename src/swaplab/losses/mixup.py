"""Mixup of the autoencoder's batch: of its images or of its codes."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from swaplab.collectives import gathered
from swaplab.errors import UserError
from swaplab.ranges import Positive

PLACES = ("images", "codes")


@dataclass(frozen=True)
class Mixup:
    """Mixes every face with the next one of its identity: share * face + (1 - share) * next, each with its own share ~
    Beta(alpha, alpha) (Zhang et al. 2018, section 2).

    ``where``: ``images`` mixes the encoder's inputs and the targets; ``codes`` mixes codes and targets (manifold mixup,
    Verma et al. 2019). The next face comes from the whole batch of all ranks. For mixtures of real and generated faces,
    see the adversarial loss mixup_lsgan.
    """

    where: Literal["images", "codes"]
    alpha: Positive = 0.2

    def __post_init__(self) -> None:
        if self.where not in PLACES:
            raise UserError(f"noise.mixup.where must be {' or '.join(PLACES)}; got {self.where!r}")
        if self.alpha <= 0:
            raise UserError(f"noise.mixup.alpha must be above 0; got {self.alpha}")


def mixed_with_next(values: Tensor, share: Tensor) -> Tensor:
    """``share`` * row + (1 - ``share``) * next row, for ``values`` (n, ...) and ``share`` (n,); the last row takes the
    first."""
    rows, begin = gathered(values)
    following = rows.roll(-1, 0)[begin : begin + len(values)]
    own = share.to(values.dtype).view(-1, *[1] * (values.dim() - 1))
    return own * values + (1 - own) * following
