"""Random occluders in front of a face: smooth blobs and straight bars."""

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from swaplab.errors import UserError
from swaplab.noise.operation import Facts, Picture, RandomOperation, Scope, checked_range
from swaplab.ranges import Pair, Share

Shape = Literal["blob", "bar"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

_CORNERS = 64
_WAVES = 4
_SUBPIXEL_BITS = 4

Polygon = NDArray[np.float64]
Alpha = NDArray[np.float32]


class Occluder(RandomOperation[tuple[Alpha, Alpha]]):
    """Pastes one opaque shape of one colour, shaded from one side to the other, over the face region.

    A blob has the outline r(t) = r0 (1 + sum of four waves); a bar crosses the image from edge to edge. ``extent``:
    diameter 2 r0, or width, as a fraction of the face region. With scope ``both``, the covered area is removed from
    every mask. Raises UserError for an unknown shape or an ``extent`` that is not a range of fractions.

    Source: random occluders that make face networks robust, e.g. Voo et al. 2022 (natural and random occlusion). The
    shapes have neither texture nor shadow.
    """

    def __init__(
        self,
        scope: Scope = "input",
        shapes: Annotated[Sequence[Shape], Field(min_length=1)] = SHAPES,
        extent: Pair = (0.15, 0.4),
        p: Share = 0.25,
    ) -> None:
        super().__init__(scope, p)
        self.shapes = tuple(shapes)
        self.extent = checked_range("extent", extent)
        if not self.shapes or not set(self.shapes) <= set(SHAPES):
            raise UserError(f"shapes of an occluder must list any of {', '.join(SHAPES)}; got {list(self.shapes)}")
        if not 0 < self.extent[0] <= self.extent[1] <= 1:
            raise UserError(f"extent of an occluder must be fractions of the face in (0, 1]; got {list(self.extent)}")

    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> tuple[Alpha, Alpha]:
        """Coverage and colours of the shape."""
        side = image.shape[0]
        shape = self.shapes[int(draw.integers(len(self.shapes)))]
        size = draw.uniform(*self.extent) * facts.region
        centre = (side - 1) / 2 + facts.region * draw.uniform(-0.5, 0.5, 2)
        outline = blob(draw, centre, size) if shape == "blob" else bar(draw, centre, size, side)
        return filled(outline, side), shaded(draw, side)

    def apply(self, picture: Picture, parameters: tuple[Alpha, Alpha]) -> Picture:
        alpha, colours = parameters
        return np.rint(picture + alpha * (colours - picture)).astype(np.uint8)

    def apply_to_mask(self, mask: Picture, parameters: tuple[Alpha, Alpha]) -> Picture:
        return np.rint(mask * (1 - parameters[0])).astype(np.uint8)


def blob(draw: np.random.Generator, centre: Polygon, diameter: float) -> Polygon:
    """A smooth closed outline (corners, 2) around ``centre`` (x, y); radius 0.5 to 1.5 times ``diameter / 2``."""
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    waves = np.arange(1, _WAVES + 1)
    amplitude, phase = draw.uniform(0, 0.5 / _WAVES, _WAVES), draw.uniform(0, 2 * np.pi, _WAVES)
    radius = diameter / 2 * (1 + np.cos(angle[:, None] * waves + phase) @ amplitude)
    return np.asarray(centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))


def bar(draw: np.random.Generator, centre: Polygon, width: float, side: int) -> Polygon:
    """A randomly rotated rectangle (4, 2) through ``centre`` (x, y), longer than an image of ``side`` pixels."""
    turn = draw.uniform(0, np.pi)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return np.asarray(centre + corners[:, :1] * along * 2 * side + corners[:, 1:] * across * width / 2)


def filled(outline: Polygon, side: int) -> Alpha:
    """Coverage (side, side, 1) in [0, 1] of a polygon (corners, 2) in pixel indices, antialiased."""
    cover = np.zeros((side, side), np.uint8)
    fixed = np.rint(outline * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(cover, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return cover[..., None].astype(np.float32) / np.float32(255)


def shaded(draw: np.random.Generator, side: int) -> Alpha:
    """A colour (side, side, 3) in [0, 255] that darkens by up to half along a random direction."""
    colour, turn, depth = draw.uniform(0, 255, 3), draw.uniform(0, 2 * np.pi), draw.uniform(0, 0.5)
    x, y = np.meshgrid(*[np.linspace(-0.5, 0.5, side)] * 2)
    along = (x * np.cos(turn) + y * np.sin(turn)) / np.sqrt(2) + 0.5
    colours: Alpha = (colour * (1 - depth * along[..., None])).astype(np.float32)
    return colours
