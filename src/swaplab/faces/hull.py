"""Masks from 68 landmarks: the hull of a face, its eyes and its mouth."""

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.faceset import MASKS

Points = NDArray[np.float64]
Mask = NDArray[np.uint8]

# Ranges of the 68 iBUG points.
_BROWS = slice(17, 27)
_EYES = (slice(36, 42), slice(42, 48))
_LIPS = slice(48, 60)

# How far above the brows the forehead reaches, in distances from brows to nose tip.
_FOREHEAD = 0.5

_SUBPIXEL_BITS = 4


def hull_mask(landmarks: Points, shape: tuple[int, ...]) -> Mask:
    """The face: convex hull of jaw and brows, the brows lifted over half the forehead.

    ``landmarks`` (68, 2) in pixels of an image of ``shape`` (H, W, ...); returns (H, W), 0 or 255, smooth at the edge.
    """
    upwards = landmarks[_BROWS].mean(0) - landmarks[30]
    forehead = landmarks[_BROWS] + _FOREHEAD * upwards
    return _filled([np.concatenate([landmarks, forehead])], shape)


def face_masks(landmarks: Points, side: int) -> Mask:
    """Masks (side, side, 4) of a crop in the order of a faceset's: face, eyes, mouth, and no occluder.

    ``landmarks`` (68, 2) in pixels of the crop. The mouth is all inside the outer lips; values 0 to 255.
    """
    masks = np.zeros((side, side, len(MASKS)), np.uint8)
    masks[..., MASKS.index("face")] = hull_mask(landmarks, (side, side))
    masks[..., MASKS.index("eyes")] = _filled([landmarks[eye] for eye in _EYES], (side, side))
    masks[..., MASKS.index("mouth")] = _filled([landmarks[_LIPS]], (side, side))
    return masks


def _filled(groups: list[Points], shape: tuple[int, ...]) -> Mask:
    """The convex hulls of groups of points, filled, with an anti-aliased edge."""
    mask = np.zeros(shape[:2], np.uint8)
    for points in groups:
        hull = cv2.convexHull(points.astype(np.float32))[:, 0]
        fixed = (hull * 2**_SUBPIXEL_BITS).round().astype(np.int32)
        cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return mask
