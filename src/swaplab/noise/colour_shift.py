"""A constant shift of one identity's colours to the mean of another's."""

from typing import Any

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.noise.operation import Picture, Scope, checked_probability, checked_scope


class ColourShift(albumentations.ImageOnlyTransform):
    """Adds mean(``towards``) - mean(``identity``) to each face of ``identity``; others stay (deepfakes, December 2017).

    The means are those of all training crops of an identity, one number a channel. Values are cut to [0, 255], which
    the original, with floats, left out. Raises UserError for an identity that is not there.
    """

    def __init__(self, scope: Scope = "both", identity: str = "A", towards: str = "B", p: float = 1.0) -> None:
        super().__init__(p=checked_probability(p))
        self.scope, self.identity, self.towards = checked_scope(scope), identity, towards

    @property
    def targets_as_params(self) -> list[str]:
        return ["identity", "means"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        means = data["means"]
        for name in (self.identity, self.towards):
            if name not in means:
                raise UserError(
                    f"noise colour_shift names identity '{name}', but there are only {', '.join(means)}; "
                    f"set noise.colour_shift.identity and towards"
                )
        shift = means[self.towards] - means[self.identity]
        return {"shift": shift if data["identity"] == self.identity else None}

    def apply(self, img: Picture, shift: NDArray[np.float64] | None, **params: Any) -> Picture:
        if shift is None:
            return img
        table = np.clip(np.rint(np.arange(256.0)[:, None] + shift), 0, 255).astype(np.uint8)[None]
        shifted: Picture = cv2.LUT(img, table)
        return shifted
