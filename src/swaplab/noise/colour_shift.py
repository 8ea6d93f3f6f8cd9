"""A constant shift of one identity's colours to the mean of another's."""

from collections.abc import Mapping
from typing import Any

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.noise.operation import Picture, Scope, checked_scope


class ColourShift(albumentations.ImageOnlyTransform):
    """Adds mean(``towards``) - mean(``identity``) to each face of ``identity``; others stay (deepfakes, December 2017).

    The means are those of all training crops of an identity, one number a channel. Values are cut to [0, 255], which
    the original, with floats, left out. It is no noise but other colours, so it has no probability, and whoever uses
    the network undoes it: see `ColourShifts`. Raises UserError for an identity that is not there.
    """

    def __init__(self, scope: Scope = "both", identity: str = "A", towards: str = "B") -> None:
        super().__init__(p=1.0)
        self.scope, self.identity, self.towards = checked_scope(scope), identity, towards

    @property
    def targets_as_params(self) -> list[str]:
        return ["identity", "means"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        return {"shift": self.shift(data["means"]) if data["identity"] == self.identity else None}

    def shift(self, means: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """What is added to faces of ``identity``, (3,), by the mean colours (3,) of all identities, 0 to 255."""
        for name in (self.identity, self.towards):
            if name not in means:
                raise UserError(
                    f"noise colour_shift names identity '{name}', but there are only {', '.join(means)}; "
                    f"set noise.colour_shift.identity and towards"
                )
        return means[self.towards] - means[self.identity]

    def apply(self, img: Picture, shift: NDArray[np.float64] | None, **params: Any) -> Picture:
        if shift is None:
            return img
        table = np.clip(np.rint(np.arange(256.0)[:, None] + shift), 0, 255).astype(np.uint8)[None]
        shifted: Picture = cv2.LUT(img, table)
        return shifted
