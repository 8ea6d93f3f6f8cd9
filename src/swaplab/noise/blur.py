"""Motion blur, as of moving faces in video."""

from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from swaplab.errors import UserError
from swaplab.noise.operation import Facts, Picture, RandomOperation, Scope
from swaplab.ranges import Share

Sizes = Annotated[Sequence[Annotated[int, Field(ge=3, le=255)]], Field(min_length=1, description="odd")]


class MotionBlur(RandomOperation[NDArray[np.float64]]):
    """Blur along a line of random direction with a length in pixels drawn from ``sizes``. Masks stay sharp.

    Source: faceswap-GAN v2.2, which blurs input and target alike, so that motion blur in a video survives the swap.
    Raises UserError unless all sizes are odd and at least 3.
    """

    def __init__(self, scope: Scope = "both", sizes: Sizes = (5, 7, 9, 11), p: Share = 0.25) -> None:
        super().__init__(scope, p)
        self.sizes = tuple(sizes)
        if not self.sizes or any(size < 3 or size % 2 == 0 for size in self.sizes):
            raise UserError(f"sizes of motion blur must be odd numbers of at least 3; got {list(self.sizes)}")

    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> NDArray[np.float64]:
        size = self.sizes[int(draw.integers(len(self.sizes)))]
        return line(size, draw.uniform(-180.0, 180.0))

    def apply(self, picture: Picture, parameters: NDArray[np.float64]) -> Picture:
        return np.asarray(cv2.filter2D(picture, -1, parameters), np.uint8)


def line(size: int, degrees: float) -> NDArray[np.float64]:
    """Kernel (size, size) with sum 1: a line through the centre, rotated by ``degrees``."""
    kernel = np.zeros((size, size))
    kernel[size // 2] = 1.0
    turned = np.clip(ndimage.rotate(kernel, degrees, reshape=False, order=3), 0.0, 1.0)
    return np.asarray(turned / turned.sum())
