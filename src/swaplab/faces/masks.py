"""The masks of a faceset's crops: the stored ones, and the hull of the landmarks."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import MASKS, FaceRecord, Faceset
from swaplab.faces.hull import hull_mask

Mask = NDArray[np.uint8]

HULL = "hull"

# centre and half axes (x, y) of the ellipse that replaces a hull, as fractions of the face region
_OVAL = np.array([[0.5, 0.41], [0.47, 0.59]])


def check_masks(names: Sequence[str]) -> None:
    """Raises UserError for an unknown mask."""
    for name in names:
        if name not in (*MASKS, HULL):
            raise UserError(f"unknown mask '{name}'; choose from {', '.join((*MASKS, HULL))}")


def named_masks(faceset: Faceset, names: Sequence[str]) -> Mask:
    """The masks ``names`` (of MASKS, or ``hull``) of all crops, (n, stored, stored, k), 0 to 255.

    Raises UserError if the faceset lacks a requested mask; the hull is always available.
    """
    check_masks(names)
    side = faceset.alignment.stored
    given = faceset.masks() if set(names) & set(MASKS) else None
    stack = np.empty((len(faceset.records), side, side, len(names)), np.uint8)
    for channel, name in enumerate(names):
        if name == HULL:
            stack[..., channel] = [hull_of(record, faceset.alignment) for record in faceset.records]
        else:
            assert given is not None
            stack[..., channel] = given[..., MASKS.index(name)]
    return stack


def hull_of(record: FaceRecord, alignment: Alignment) -> Mask:
    """The hull (stored, stored) of one crop's 68 landmarks; without 68 landmarks, an ellipse."""
    points = np.asarray(record.landmarks, np.float64)
    if points.shape != (68, 2):
        return oval(alignment)
    matrix = np.asarray(record.matrix, np.float64)
    return hull_mask(points @ matrix[:, :2].T + matrix[:, 2], (alignment.stored, alignment.stored))


@lru_cache
def oval(alignment: Alignment) -> Mask:
    """An antialiased ellipse (stored, stored), 0 to 255, where the alignment places a face."""
    centre, axes = _OVAL * alignment.region
    x, y = np.meshgrid(*[np.arange(alignment.stored) + 0.5 - alignment.border] * 2)
    outside = np.hypot((x - centre[0]) / axes[0], (y - centre[1]) / axes[1]) - 1
    cover = np.clip(0.5 - outside * axes.mean(), 0, 1)
    mask: Mask = cv2.convertScaleAbs(cover * 255)
    mask.flags.writeable = False
    return mask
