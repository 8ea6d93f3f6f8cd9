"""From a generator's output to the final picture: the one implementation for training, evaluation and conversion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from swaplab.networks.protocols import SwapOutput


@dataclass(frozen=True)
class Composition:
    """How a generator's output is blended with the input face; set once, by the config.

    ``by``: the mask to blend with: ``face`` (from the faceset), ``hull`` (of the landmarks) or None (the learned mask,
    if any). ``on``: if False, the picture is the raw colours, whatever the mask.
    """

    by: str | None = None
    on: bool = True

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Composition":
        """The composition set in a config."""
        return cls(config["composed_by"], config["composition"])

    def masked(self, output: SwapOutput, mask: Tensor | None) -> SwapOutput:
        """The output with the mask to blend with. ``mask`` (n, 1, R, R): the faces' mask named by ``by``, or None where
        unknown."""
        return output if self.by is None else replace(output, mask=mask)

    def picture(self, output: SwapOutput, background: Tensor) -> Tensor:
        """The final picture (n, 3, R, R): a masked output blended with the input faces ``background`` (n, 3, R, R)."""
        return output.composed(background) if self.on else output.raw
