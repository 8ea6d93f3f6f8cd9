"""Align faces in their crops: five points, one similarity transform, one resampling.

The *face region* is the square that a network sees. A stored face is that square plus a margin on every side, so that a
random rotation, shift or warp in training still samples real pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

# Left eye, right eye, nose tip, left and right mouth corner, as fractions (x, y) of the face region. The proportions
# are those of faceswap-GAN v2.2's template (made symmetric); the whole is moved up so that the chin stays inside.
FIVE_POINTS: Points = np.array([[0.3015, 0.270], [0.6985, 0.270], [0.5, 0.510], [0.3477, 0.733], [0.6523, 0.733]])

# The points that align the crop. Without the nose: when a head turns, its tip moves by the nose's length, so the shift
# of the crop would depend on the identity, and a swap would inherit that of the wrong person.
PLACING = [0, 1, 3, 4]

# side of the stored crop / side of the face region
MARGIN = 1.5


def five_points(landmarks: Points) -> Points:
    """Eye centres, nose tip and mouth corners (5, 2) of 68 iBUG landmarks (68, 2)."""
    return np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]])


def similarity(source: Points, target: Points) -> NDArray[np.float64]:
    """Least-squares rotation, uniform scale and shift from ``source`` (n, 2) to ``target`` (n, 2), as a 2x3 matrix.

    Umeyama 1991, equations 40 to 43, in the form without mirroring.
    """
    mean_source, mean_target = source.mean(0), target.mean(0)
    centred_source, centred_target = source - mean_source, target - mean_target
    u, singular, vh = np.linalg.svd(centred_target.T @ centred_source / len(source))
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vh))])
    rotation = u * sign @ vh
    scale = (singular * sign).sum() / centred_source.var(0).sum()
    return np.hstack([scale * rotation, (mean_target - scale * rotation @ mean_source)[:, None]])


@dataclass(frozen=True)
class Alignment:
    """How faces are cropped. ``region``: side of the face region in pixels; ``margin``: stored side / region."""

    region: int
    margin: float = MARGIN

    @property
    def stored(self) -> int:
        """Side of a stored crop in pixels, with an equal border on each side of the region."""
        return self.region + 2 * round(self.region * (self.margin - 1) / 2)

    @property
    def border(self) -> int:
        """Pixels between the edge of a stored crop and its face region."""
        return (self.stored - self.region) // 2

    def matrix(self, points: Points, aspect: float = 1.0) -> NDArray[np.float64]:
        """The 2x3 matrix from source pixels to stored-crop pixels for five points (5, 2) in the source image.

        Only eyes and mouth corners count, as in FFHQ's alignment (Karras et al. 2019, appendix C). ``aspect``: width /
        height of the source's pixels; those of the crop are square.
        """
        square = np.array([aspect, 1.0])
        placed = similarity(points[PLACING] * square, (FIVE_POINTS * self.region + self.border)[PLACING])
        return placed * [*square, 1.0]

    def cut(self, image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The stored crop (stored, stored, C) of ``image`` (H, W, C), resampled once; edge pixels are repeated.

        If the crop shrinks the source to less than half, each pixel is the mean of several bicubic samples of its area;
        a single sample would skip pixels, and small motions would flicker.
        """
        finer = max(1, int(1 / np.sqrt(np.linalg.det(matrix[:, :2]))))
        # the centre of pixel (0, 0) is at (0, 0) on both grids
        onto = finer * matrix + np.array([[0, 0, (finer - 1) / 2]])
        side = (finer * self.stored, finer * self.stored)
        cut = cv2.warpAffine(image, onto, side, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        if finer > 1:
            cut = cv2.resize(cut, (self.stored, self.stored), interpolation=cv2.INTER_AREA)
        return np.asarray(cut, dtype=np.uint8)

    def region_of(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The face region (..., region, region, C) of stored crops (..., stored, stored, C), as a view."""
        inside = slice(self.border, self.border + self.region)
        return stored[..., inside, inside, :]
