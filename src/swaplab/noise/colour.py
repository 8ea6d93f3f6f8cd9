"""Random colour matching: the face takes on part of another face's colours."""

from collections.abc import Sequence
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from swaplab.errors import UserError
from swaplab.noise.operation import Facts, Picture, RandomOperation, Scope
from swaplab.ranges import Share

SPACES = ("rgb", "xyz", "lab")
_THERE = {"xyz": cv2.COLOR_RGB2XYZ, "lab": cv2.COLOR_RGB2LAB}
_BACK = {"xyz": cv2.COLOR_XYZ2RGB, "lab": cv2.COLOR_LAB2RGB}


class ColourMatch(RandomOperation[tuple[Picture, str]]):
    """Moves mean and standard deviation of every channel a random fraction of the way to those of a random face.

    That face may be of any identity. Statistics leave out a border of ``border`` times the side. One colour space of
    ``spaces`` is drawn for each image: rgb (the channel order, BGR in the original, makes no difference), xyz, or lab,
    in which Reinhard et al. 2001 match colours. Values outside [0, 255] are brought back by a common shift (if below),
    then a common factor (if above); in lab, where a common shift would tint, they are clipped. Source: faceswap-GAN
    v2.2, random_color_match. Raises UserError for an unknown space or a ``border`` outside [0, 0.5).
    """

    def __init__(
        self,
        scope: Scope = "both",
        spaces: Annotated[Sequence[Literal["rgb", "xyz", "lab"]], Field(min_length=1)] = ("rgb", "xyz"),
        border: Annotated[float, Field(ge=0, lt=0.5)] = 60 / 256,
        p: Share = 0.5,
    ) -> None:
        super().__init__(scope, p)
        self.spaces, self.border = tuple(spaces), border
        if not self.spaces or not set(self.spaces) <= set(SPACES):
            raise UserError(f"spaces of colour match must list any of {', '.join(SPACES)}; got {list(self.spaces)}")
        if not 0 <= border < 0.5:
            raise UserError(f"border of colour match must be in [0, 0.5); got {border}")

    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> tuple[Picture, str]:
        """A lookup table and the space that it is for."""
        reference = facts.faces[int(draw.integers(len(facts.faces)))]
        part = draw.uniform()
        space = self.spaces[int(draw.integers(len(self.spaces)))]
        mean, deviation = statistics(image, space, self.border)
        other_mean, other_deviation = statistics(reference, space, self.border)
        wanted_mean = part * other_mean + (1 - part) * mean
        wanted_deviation = part * other_deviation + (1 - part) * deviation
        # a channel without contrast cannot be scaled; only its mean moves
        gain = np.where(deviation > 1, wanted_deviation / np.maximum(deviation, 1e-7), 1.0)
        shift = wanted_mean - gain * mean
        return table(in_space(image, space), gain, shift, clipped=space == "lab"), space

    def apply(self, picture: Picture, parameters: tuple[Picture, str]) -> Picture:
        table, space = parameters
        matched = cv2.LUT(in_space(picture, space), table)
        return np.asarray(cv2.cvtColor(matched, _BACK[space]) if space in _BACK else matched, np.uint8)


def in_space(image: Picture, space: str) -> Picture:
    """RGB (H, W, 3) converted to the given space, uint8."""
    result: Picture = cv2.cvtColor(image, _THERE[space]) if space in _THERE else image
    return result


def statistics(image: Picture, space: str, border: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (3,) of RGB (H, W, 3) in the given space, without the border."""
    cut = round(border * image.shape[0])
    inside = np.ascontiguousarray(image[cut : image.shape[0] - cut, cut : image.shape[1] - cut])
    mean, deviation = cv2.meanStdDev(in_space(inside, space))
    return mean[:, 0], deviation[:, 0]


def table(image: Picture, gain: NDArray[np.float64], shift: NDArray[np.float64], clipped: bool = False) -> Picture:
    """Lookup table (1, 256, 3) of ``gain * value + shift``, ``clipped`` or rescaled so that ``image`` stays in
    [0, 255].

    The map increases in every channel, so the extremes of the result are the mapped extremes of the channels.
    """
    extremes = np.array([cv2.minMaxLoc(channel)[:2] for channel in cv2.split(image)]).T * gain + shift
    lift = 0.0 if clipped else max(0.0, -float(extremes.min()))
    factor = 1.0 if clipped else 255 / max(255.0, float(extremes.max()) + lift)
    values = (np.arange(256.0)[:, None] * gain + (shift + lift)) * factor
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)[None]
