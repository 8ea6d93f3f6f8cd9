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

# Hulls are filled on a grid so much finer than the pixels.
_FINER = 4


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
    """The convex hulls of groups of points, filled; values at the edge are the share of the pixel inside."""
    height, width = shape[:2]
    fine = np.zeros((height * _FINER, width * _FINER), np.uint8)
    for points in groups:
        hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
        # The centre of pixel (0, 0) is at (0, 0), also of the finer grid; OpenCV takes 1/16 pixels.
        corners = (((hull + 0.5) * _FINER - 0.5) * 16).round().astype(np.int32)
        cv2.fillConvexPoly(fine, corners, 255, cv2.LINE_8, shift=4)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
