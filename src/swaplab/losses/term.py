"""The interface of a loss term. Terms define the comparison; the step context computes its inputs, once."""

from typing import Literal, Protocol, get_args, runtime_checkable

from torch import Tensor

from swaplab.losses.context import StepContext
from swaplab.schedule import Schedule

Side = Literal["generator", "discriminator"]
SIDES: tuple[Side, ...] = get_args(Side)


@runtime_checkable
class LossTerm(Protocol):
    """Any callable with these attributes. Its name is its key in the config.

    ``side``: the network that it trains, ``generator`` or ``discriminator``. ``weight``: a number, or a function of
    progress in [0, 1]; a term with weight 0 is measured but not trained.
    """

    @property
    def side(self) -> str: ...

    @property
    def weight(self) -> float | Schedule: ...

    def __call__(self, step: StepContext) -> Tensor:
        """This rank's share of the loss, a scalar; shares add up to the loss of the global batch (`step.mean`)."""
        ...
