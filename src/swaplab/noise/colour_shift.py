"""A constant shift of one identity's colours to another's mean colour."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.noise.operation import Facts, Picture, RandomOperation, Scope


class ColourShift(RandomOperation[NDArray[np.float64] | None]):
    """Adds mean(``towards``) - mean(``identity``) to each face of ``identity`` (deepfakes, December 2017).

    The means are over all training crops of an identity, one number per channel. Values are clipped to [0, 255]; the
    original used floats and did not clip. The shift is constant, so it has no probability, and inference must undo it:
    see `ColourShifts`. Raises UserError for an unknown identity.
    """

    def __init__(self, scope: Scope = "both", identity: str = "A", towards: str = "B") -> None:
        super().__init__(scope, p=1.0)
        self.identity, self.towards = identity, towards

    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> NDArray[np.float64] | None:
        return self.shift(facts.means) if facts.identity == self.identity else None

    def shift(self, means: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """The shift (3,) for faces of ``identity``, from the mean colours (3,) of all identities in [0, 255]."""
        for name in (self.identity, self.towards):
            if name not in means:
                raise UserError(
                    f"noise.colour_shift names an unknown identity '{name}'; set noise.colour_shift.identity and "
                    f"noise.colour_shift.towards to any of {', '.join(means)}"
                )
        return means[self.towards] - means[self.identity]

    def apply(self, picture: Picture, parameters: NDArray[np.float64] | None) -> Picture:
        if parameters is None:
            return picture
        table = np.clip(np.rint(np.arange(256.0)[:, None] + parameters), 0, 255).astype(np.uint8)[None]
        return np.asarray(cv2.LUT(picture, table), np.uint8)
