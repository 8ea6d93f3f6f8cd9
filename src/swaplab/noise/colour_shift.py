"""A constant shift of one identity's colours to another's mean colour."""

from collections.abc import Mapping
from typing import Any

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.noise.operation import Picture, Scope, checked_scope


class ColourShift(albumentations.ImageOnlyTransform):
    """Adds mean(``towards``) - mean(``identity``) to each face of ``identity`` (deepfakes, December 2017).

    The means are over all training crops of an identity, one number per channel. Values are clipped to [0, 255]; the
    original used floats and did not clip. The shift is constant, so it has no probability, and inference must undo it:
    see `ColourShifts`. Raises UserError for an unknown identity.
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
        """The shift (3,) for faces of ``identity``, from the mean colours (3,) of all identities in [0, 255]."""
        for name in (self.identity, self.towards):
            if name not in means:
                raise UserError(
                    f"noise.colour_shift names an unknown identity '{name}'; set noise.colour_shift.identity and "
                    f"noise.colour_shift.towards to any of {', '.join(means)}"
                )
        return means[self.towards] - means[self.identity]

    def apply(self, img: Picture, shift: NDArray[np.float64] | None, **params: Any) -> Picture:
        if shift is None:
            return img
        table = np.clip(np.rint(np.arange(256.0)[:, None] + shift), 0, 255).astype(np.uint8)[None]
        shifted: Picture = cv2.LUT(img, table)
        return shifted
