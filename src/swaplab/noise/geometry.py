"""Rotation, zoom, shift and mirroring of a face."""

from abc import abstractmethod
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from swaplab.errors import UserError
from swaplab.noise.operation import Facts, Matrix, Picture, RandomOperation, Scope
from swaplab.ranges import Share


class Movement(RandomOperation[Matrix]):
    """An operation that only moves pixels: a 3x3 matrix from original to moved pixel indices (x, y, 1).

    The pipeline multiplies the matrices of consecutive movements, including a warp after them, and resamples once.
    """

    @abstractmethod
    def matrix(self, draw: np.random.Generator, side: int) -> Matrix:
        """A random movement (3, 3) of a square image of ``side`` pixels."""

    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> Matrix:
        return self.matrix(draw, image.shape[0])

    def apply(self, picture: Picture, parameters: Matrix) -> Picture:
        return moved(picture, parameters, picture.shape[0])

    def apply_to_mask(self, mask: Picture, parameters: Matrix) -> Picture:
        return moved_mask(mask, parameters, mask.shape[0])


class Affine(Movement):
    """Rotation and zoom about the centre, and shift; beyond the edge the outermost pixels are repeated.

    Rotation is uniform in +-``degrees``, zoom in 1 +- ``zoom``, shift (x and y separately) in +-``shift`` times the
    side. Source: faceswap-GAN v2.2, random_transform. Raises UserError for a ``zoom`` outside [0, 1).
    """

    def __init__(
        self,
        scope: Scope = "both",
        degrees: Annotated[float, Field(ge=0, le=180)] = 10.0,
        zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05,
        p: Share = 1.0,
    ) -> None:
        super().__init__(scope, p)
        if not 0 <= zoom < 1:
            raise UserError(f"zoom of an affine noise must be in [0, 1); got {zoom}")
        self.degrees, self.zoom, self.shift = degrees, zoom, shift

    def matrix(self, draw: np.random.Generator, side: int) -> Matrix:
        angle, zoom, x, y = draw.uniform(-1.0, 1.0, 4).tolist()
        matrix = np.eye(3)
        centre = (side - 1) / 2
        matrix[:2] = cv2.getRotationMatrix2D((centre, centre), angle * self.degrees, 1 + zoom * self.zoom)
        matrix[:2, 2] += x * self.shift * side, y * self.shift * side
        return matrix


class Flip(Movement):
    """Mirrors left and right with probability ``p``."""

    def __init__(self, scope: Scope = "both", p: Share = 0.5) -> None:
        super().__init__(scope, p)

    def matrix(self, draw: np.random.Generator, side: int) -> Matrix:
        return np.array([[-1.0, 0.0, side - 1], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def moved(picture: Picture, matrix: Matrix, side: int) -> Picture:
    """``picture`` (H, W, 3) under ``matrix`` as (side, side, 3).

    Cubic, because crops are stored at the network's resolution, where bilinear sampling would blur the target.
    """
    result: Picture = cv2.warpAffine(
        picture, matrix[:2], (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return result


def moved_mask(mask: Picture, matrix: Matrix, side: int) -> Picture:
    """``mask`` (H, W, k) under ``matrix`` as (side, side, k), bilinear, because a mask must not overshoot."""
    return with_channels(
        cv2.warpAffine(mask, matrix[:2], (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def with_channels(image: Any) -> Picture:
    """Restores the axis of a single channel, which OpenCV drops."""
    result: Picture = image if image.ndim == 3 else image[..., None]
    return result
