"""The random grid warp of the 2017 face swap: a distorted input and an undistorted, aligned target."""

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.noise.geometry import moved, moved_mask, with_channels
from swaplab.noise.operation import Facts, Matrix, Picture, RandomOperation, Scope, checked_range
from swaplab.ranges import Pair, Share

NODES = 5
Maps = NDArray[np.float32]


class WarpMaps(NamedTuple):
    """Where a warp samples: the maps of the input, and those of target and masks; with scope ``input`` a matrix."""

    input: Maps
    target: NDArray[Any]


class Warp(RandomOperation[WarpMaps]):
    """Cuts the face region (region, region, C) out of a stored crop, warped by a grid of nodes.

    5x5 nodes are spaced evenly on a centred square of ``coverage`` times the stored side (uniform in the range). Each
    node is displaced in x and y by a normal draw whose standard deviation is ``sigma`` times the side of the face
    region (uniform in the range). The input is sampled along the bilinear interpolation of the nodes. With scope
    ``input``, target and masks are transformed by the similarity that best maps the displaced nodes to the regular ones
    (Umeyama 1991): they inherit rotation, zoom and shift of the grid, not its distortion. With scope ``both``, all are
    warped alike.

    Source: faceswap-GAN v2.2, random_warp, with coverage 156 to 194 and sigma 5 to 6.2 pixels of a 256 pixel crop whose
    face region is 171. Unlike there, input and target pixels share their centres (there they are half a pixel apart,
    which a network would learn as a shift), and beyond the edge of the crop the outermost pixels are repeated.

    Movements that are pending are carried out by the same sampling (`Facts`).
    """

    def __init__(
        self,
        scope: Scope = "input",
        coverage: Pair = (0.609, 0.758),
        sigma: Pair = (0.0293, 0.0363),
        p: Share = 1.0,
    ) -> None:
        super().__init__(scope, p)
        self.coverage, self.sigma = checked_range("coverage", coverage), checked_range("sigma", sigma)

    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> WarpMaps:
        region, places = facts.region, (facts.input_place, facts.target_place)
        nodes = self.nodes(draw, image.shape[0], region)
        input_maps = maps(nodes, places[0], region)
        if self.scope == "both":
            return WarpMaps(input_maps, input_maps if places[0] is places[1] else maps(nodes, places[1], region))
        matrix = to_regular(nodes, region)
        return WarpMaps(input_maps, matrix if places[1] is None else matrix @ places[1])

    def nodes(self, draw: np.random.Generator, stored: int, region: int) -> NDArray[np.float64]:
        """Displaced nodes (2, 5, 5), x and y in pixel indices of the stored crop; indexed [:, row, column]."""
        coverage, sigma = draw.uniform(*np.transpose([self.coverage, self.sigma])).tolist()
        displacement = draw.standard_normal((2, NODES, NODES))
        return (stored - 1) / 2 + coverage * stored * regular_nodes() + sigma * region * displacement

    def applied(self, name: str, picture: Picture, parameters: WarpMaps) -> Picture:
        """The warped input, or the target or its masks, which follow it."""
        return sampled(picture, parameters.input) if name == "input" else super().applied(name, picture, parameters)

    def apply(self, picture: Picture, parameters: WarpMaps) -> Picture:
        if self.scope == "both":
            return sampled(picture, parameters.target)
        return moved(picture, parameters.target, parameters.input.shape[1])

    def apply_to_mask(self, mask: Picture, parameters: WarpMaps) -> Picture:
        if self.scope == "both":
            return sampled(mask, parameters.target)
        return moved_mask(mask, parameters.target, parameters.input.shape[1])


@lru_cache
def regular_nodes() -> NDArray[np.float64]:
    """The undisplaced nodes (2, 5, 5), x and y, on a unit square around 0."""
    return np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, NODES)] * 2))


@lru_cache
def interpolation(region: int) -> NDArray[np.float64]:
    """Weights (region, 5) of the nodes at the pixel centres of one axis; node i is at i * region / 4."""
    place = (np.arange(region) + 0.5) * (NODES - 1) / region
    return np.maximum(0.0, 1 - np.abs(place[:, None] - np.arange(NODES)))


def maps(nodes: NDArray[np.float64], place: Matrix | None, region: int) -> Maps:
    """Sampling position of each pixel, x and y (2, region, region), in the image before its movement ``place``.

    Moving the nodes moves the map, because both are affine.
    """
    if place is not None:
        back = cv2.invertAffineTransform(place[:2])
        nodes = (back[:, :2] @ nodes.reshape(2, -1) + back[:, 2:]).reshape(nodes.shape)
    weights = interpolation(region)
    return (weights @ nodes @ weights.T).astype(np.float32)


def to_regular(nodes: NDArray[np.float64], region: int) -> Matrix:
    """The least-squares similarity (3, 3) from displaced nodes (2, 5, 5) to the regular ones of the region.

    Equals ``swaplab.faces.alignment.similarity`` (Umeyama 1991, without mirroring) in closed form for the plane, which
    takes a tenth of the time: with centred points as complex numbers, sum(conj(z) t) / sum |z|^2.
    """
    points, regular = nodes.reshape(2, -1), region * regular_nodes().reshape(2, -1)
    mean = points.mean(1)
    products, size = points @ regular.T, np.vdot(points, points) - points.shape[1] * (mean @ mean)
    a, b = (products[0, 0] + products[1, 1]) / size, (products[0, 1] - products[1, 0]) / size
    centre = (region - 1) / 2
    x, y = mean.tolist()
    return np.array([[a, -b, centre - a * x + b * y], [b, a, centre - b * x - a * y], [0.0, 0.0, 1.0]])


def sampled(picture: Picture, maps: Maps) -> Picture:
    """``picture`` (H, W, C) sampled bilinearly at the maps x, y (2, side, side); edge pixels are repeated."""
    return with_channels(cv2.remap(picture, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
