"""Gradient clipping: of the sum over all ranks, before an optimiser steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from swaplab.errors import UserError


@dataclass(frozen=True)
class Clip:
    """Limits the gradients of an update, all of its parameters together.

    ``norm``: their largest Euclidean norm; a longer gradient is scaled down (Pascanu et al. 2013). ``value``: the
    largest absolute value of each element. Raises UserError if both are set.
    """

    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        if self.norm is not None and self.value is not None:
            raise UserError(
                f"a clip has norm {self.norm} and value {self.value}, but takes only one of them; set one to null"
            )

    def __call__(self, parameters: Sequence[nn.Parameter]) -> None:
        """Change the gradients in place; parameters without one are skipped."""
        if self.norm is not None:
            clip_grad_norm_(parameters, self.norm)
        elif self.value is not None:
            clip_grad_value_(parameters, self.value)
