"""The one place that makes a picture of what a generator returns: for training, measuring, drawing and converting."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from swaplab.networks.generator import SwapOutput


@dataclass(frozen=True)
class Composition:
    """How a swap becomes the picture that a viewer sees; the config chooses it once.

    by: the mask of the faces that composes it where none is learned: ``face``, which comes with a faceset, or ``hull``,
    that of their landmarks; None: the learned one, if there is one. on: False: the picture is the colours alone,
    whatever the mask.
    """

    by: str | None = None
    on: bool = True

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Composition":
        """The composition that a config asks for."""
        return cls(config["composed_by"], config["composition"])

    def masked(self, output: SwapOutput, mask: Tensor | None) -> SwapOutput:
        """An output with the mask that composes it. ``mask`` (n, 1, R, R): that of the faces which ``by`` names, None
        where it is not known."""
        return output if self.by is None else replace(output, mask=mask)

    def picture(self, output: SwapOutput, background: Tensor) -> Tensor:
        """What a viewer sees (n, 3, R, R) of a masked output, before the faces (n, 3, R, R) it was made from."""
        return output.composed(background) if self.on else output.raw
