"""Masks from 68 landmarks: the hull of the face, the eyes and the mouth."""

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.faceset import MASKS

Points = NDArray[np.float64]
Mask = NDArray[np.uint8]

# indices of the 68 iBUG points
_BROWS = slice(17, 27)
_EYES = (slice(36, 42), slice(42, 48))
_LIPS = slice(48, 60)

# height of the included forehead above the brows, in units of the distance from brows to nose tip
_FOREHEAD = 0.5

# supersampling factor for filled hulls
_FINER = 4


def hull_mask(landmarks: Points, shape: tuple[int, ...]) -> Mask:
    """The convex hull of jaw and brows, with the brows raised over part of the forehead.

    ``landmarks`` (68, 2) in pixels of an image of ``shape`` (H, W, ...). Returns (H, W), 0 to 255, with a soft edge.
    """
    upwards = landmarks[_BROWS].mean(0) - landmarks[30]
    forehead = landmarks[_BROWS] + _FOREHEAD * upwards
    return _filled([np.concatenate([landmarks, forehead])], shape)


def face_masks(landmarks: Points, side: int) -> Mask:
    """Masks (side, side, 4) of a crop, 0 to 255, in the order of MASKS: face, eyes, mouth, and an empty occluder mask.

    ``landmarks`` (68, 2) in pixels of the crop. The mouth is the area inside the outer lip line.
    """
    masks = np.zeros((side, side, len(MASKS)), np.uint8)
    masks[..., MASKS.index("face")] = hull_mask(landmarks, (side, side))
    masks[..., MASKS.index("eyes")] = _filled([landmarks[eye] for eye in _EYES], (side, side))
    masks[..., MASKS.index("mouth")] = _filled([landmarks[_LIPS]], (side, side))
    return masks


def _filled(groups: list[Points], shape: tuple[int, ...]) -> Mask:
    """The filled convex hulls of groups of points, 0 to 255; edge pixels have the share of their area inside."""
    height, width = shape[:2]
    fine = np.zeros((height * _FINER, width * _FINER), np.uint8)
    for points in groups:
        hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
        # the centre of pixel (0, 0) is at (0, 0) on both grids; OpenCV expects units of 1/16 pixel
        corners = (((hull + 0.5) * _FINER - 0.5) * 16).round().astype(np.int32)
        cv2.fillConvexPoly(fine, corners, 255, cv2.LINE_8, shift=4)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
