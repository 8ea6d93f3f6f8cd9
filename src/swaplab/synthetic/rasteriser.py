"""Rasterise triangles: a scanline z-buffer in NumPy.

Work is proportional to the covered pixels: triangles are split into rows, rows into pixels. A pixel belongs to a
triangle if its centre does; a centre on a shared edge belongs to exactly one of the two triangles.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Fragments:
    """The nearest surface of each covered pixel: flat ``pixel`` index (n,), ``triangle`` index (n,), barycentric
    ``weights`` (n, 3)."""

    pixel: NDArray[np.int64]
    triangle: NDArray[np.int64]
    weights: Array


def rasterise(points: Array, triangles: NDArray[np.int32], height: int, width: int) -> Fragments:
    """The visible fragments of ``triangles`` (T, 3) over ``points`` (V, 3): x, y in pixels (y down), z = distance.

    The centre of pixel (0, 0) is at (0.5, 0.5). Only triangles that are counter-clockwise on the screen are drawn; list
    a triangle in both orders to draw both sides.
    """
    corners = np.ascontiguousarray(triangles.T, np.intp)
    x, y, z = (points[:, axis].take(corners) for axis in range(3))  # (3, T) each: one row per corner
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    top = np.ceil(np.maximum(_least(y), 0) - np.float32(0.5)).astype(np.int64)
    bottom = np.ceil(np.minimum(_most(y), height) - np.float32(0.5)).astype(np.int64)
    seen = np.nonzero((area < -1e-6) & (bottom > top) & (_most(x) > 0) & (_least(x) < width))[0]
    x, y, z, area = x[:, seen], y[:, seen], z[:, seen], area[seen]

    owner, row = _expand(top[seen], bottom[seen])
    first, last = _span(x.astype(np.float64), y.astype(np.float64), owner, row.astype(np.float64) + 0.5, width)
    span, column = _expand(first, last)
    owner, row = owner[span], row[span]

    weights = _barycentric(x, y, area, owner, (column + 0.5).astype(np.float32), (row + 0.5).astype(np.float32))
    depth = weights[0] * z[0][owner] + weights[1] * z[1][owner] + weights[2] * z[2][owner]
    pixel = row * width + column
    nearest = _nearest(pixel, depth, height * width)
    return Fragments(pixel[nearest], seen[owner[nearest]], np.ascontiguousarray(weights[:, nearest].T))


# ten times as fast as NumPy's reductions over such a short axis
def _least(corners: Array) -> Array:
    """The minimum (T,) of three corners (3, T)."""
    return np.asarray(np.minimum(np.minimum(corners[0], corners[1]), corners[2]))


def _most(corners: Array) -> Array:
    """The maximum (T,) of three corners (3, T)."""
    return np.asarray(np.maximum(np.maximum(corners[0], corners[1]), corners[2]))


def _expand(start: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The concatenated ranges start[i]:stop[i]: for every member, its i and its value."""
    length = stop - start
    owner = np.repeat(np.arange(len(start)), length)
    before = np.cumsum(length) - length
    return owner, np.arange(len(owner)) + np.repeat(start - before, length)


def _span(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    owner: NDArray[np.int64],
    level: NDArray[np.float64],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one-past-last pixel of triangle ``owner`` on the line y = ``level``; equal if it covers none."""
    left, right = np.zeros(len(owner)), np.full(len(owner), float(width))
    for k in range(3):
        x0, y0, x1, y1 = x[k], y[k], x[k - 2], y[k - 2]
        # the same edge in the other direction gives a bit-equal crossing: no gaps, no double pixels
        rise, run, constant = (y1 - y0)[owner], (x1 - x0)[owner], (x0 * y1 - x1 * y0)[owner]
        crossing = np.divide(run * level + constant, rise, out=np.zeros_like(level), where=rise != 0)
        np.maximum(left, crossing, out=left, where=rise > 0)
        np.minimum(right, crossing, out=right, where=rise < 0)
    first, last = np.ceil(left - 0.5).astype(np.int64), np.ceil(right - 0.5).astype(np.int64)
    return first, np.maximum(first, last)


def _barycentric(x: Array, y: Array, area: Array, owner: NDArray[np.int64], px: Array, py: Array) -> Array:
    """Barycentric weights (3, n) of points (px, py) in their triangles."""
    dx, dy = px - x[2][owner], py - y[2][owner]
    first = ((y[1] - y[2]) / area)[owner] * dx + ((x[2] - x[1]) / area)[owner] * dy
    second = ((y[2] - y[0]) / area)[owner] * dx + ((x[0] - x[2]) / area)[owner] * dy
    return np.stack([first, second, 1 - first - second])


def _nearest(pixel: NDArray[np.int64], depth: Array, pixels: int) -> NDArray[np.int64]:
    """Index of the fragment with the smallest depth for every covered pixel, by ascending pixel."""
    # positive floats sort like their bits: depth in the high half, fragment number (the tie-break) in the low half
    key = depth.astype(np.float32).view(np.uint32).astype(np.int64) << 32 | np.arange(len(pixel))
    best = np.full(pixels, np.iinfo(np.int64).max)
    np.minimum.at(best, pixel, key)
    return best[best != np.iinfo(np.int64).max] & 0xFFFFFFFF
