"""Blend a swapped face back into its frame."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

# supersampling factor for distances to a hull's edge; odd, so that the fine grid has a sample at every pixel centre
FINER = 3

# bilinear sampling reaches less than this many pixels, so an alpha that starts this far inside never leaves its hull
_REACH = math.sqrt(2)


def feathered(hull: NDArray[np.uint8], side: int, feather: float) -> NDArray[np.float32]:
    """A hull's alpha (side, side): 0 outside, rising smoothly to 1 within ``feather`` times the side.

    ``hull``: (k side, k side), k odd, 0 outside to 255 inside. Everything beyond the array is outside, so the alpha
    also fades out at the edge of the face region.
    """
    finer = hull.shape[0] // side
    ringed = cv2.copyMakeBorder((hull > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(ringed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    inside = distance[finer // 2 :: finer, finer // 2 :: finer] / finer
    depth = np.clip((inside - _REACH) / max(feather * side, 1e-6), 0, 1)
    alpha: NDArray[np.float32] = (depth * depth * (3 - 2 * depth)).astype(np.float32)
    return alpha


def paste_back(
    frame: NDArray[np.uint8],
    face: NDArray[np.float32],
    alpha: NDArray[np.float32],
    matrix: NDArray[np.float64],
) -> None:
    """Blend a face into ``frame`` (H, W, 3), in place: ``alpha * face + (1 - alpha) * frame``, rounded.

    ``face``: RGB (R, R, 3) in [0, 1]. ``alpha``: (R, R) in [0, 1]. ``matrix`` (2, 3) maps frame pixels to face pixels.
    The face is resampled once, bicubically, its alpha bilinearly; if frame pixels are larger than face pixels, each is
    the mean over its area. Pixels with alpha 0 do not change.
    """
    box = _support(alpha, matrix, frame.shape[:2])
    if box is None:
        return
    left, top, right, bottom = box
    # side of a frame pixel in face pixels
    density = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    finer = max(1, math.ceil(density - 1e-9))
    # the centre of fine pixel u is at (u + 0.5) / finer - 0.5 in the box
    placed = matrix[:, :2] / finer
    corner = np.array([left, top]) + 0.5 / finer - 0.5
    shift = matrix[:, :2] @ corner + matrix[:, 2]
    inverse, size = np.hstack([placed, shift[:, None]]), ((right - left) * finer, (bottom - top) * finer)
    colours = cv2.warpAffine(
        face, inverse, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    weight = cv2.warpAffine(alpha, inverse, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    if finer > 1:
        colours, weight = (
            cv2.resize(a, (right - left, bottom - top), interpolation=cv2.INTER_AREA) for a in (colours, weight)
        )
    region, weight = frame[top:bottom, left:right], weight[..., None]
    blended = weight * np.clip(colours, 0, 1) * 255 + (1 - weight) * region
    np.copyto(region, np.rint(blended).astype(np.uint8), where=weight > 0)


def _support(
    alpha: NDArray[np.float32], matrix: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the frame's pixels that the alpha can reach, or None if there are none."""
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return None
    x, y = (columns[0] - 1, columns[-1] + 1), (rows[0] - 1, rows[-1] + 1)
    corners = np.array([[x[i], y[j]] for i in (0, 1) for j in (0, 1)], np.float64)
    there = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    low, high = np.floor(there.min(0)).astype(int), np.ceil(there.max(0)).astype(int) + 1
    left, top = max(low[0], 0), max(low[1], 0)
    right, bottom = min(high[0], shape[1]), min(high[1], shape[0])
    return (left, top, right, bottom) if left < right and top < bottom else None
