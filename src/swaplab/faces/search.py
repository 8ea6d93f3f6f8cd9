"""Find faces in any orientation, each with the agreement of two networks on its points."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.alignment import FIVE_POINTS, Alignment, five_points
from swaplab.faces.detection import Detection, Detector, overlap

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

# stored crops (n, stored, stored, 3) RGB uint8 -> 68 landmarks (n, 68, 2) in crop pixels
FindLandmarks = Callable[[Pixels], Floats]

# From this agreement on, other orientations are not searched. In frames of two speakers, rotated in steps of 15 degrees
# and searched in all four orientations, points with more were wrong by at most 0.17 eye distances.
SURE = 0.88
# minimum overlap (intersection over union) of detections of one face in different orientations
_SAME = 0.3


class Search(Protocol):
    """Finds the faces in frames (H, W, 3) RGB uint8 whose pixels are ``aspect`` times as wide as high."""

    def __call__(self, frames: Sequence[Pixels], aspect: float = 1.0) -> list[list[Detection]]: ...


class FaceSearch:
    """Extends a detector of upright faces to all orientations.

    Frames are resampled to square pixels first. For the ``agreement`` of a face, a crop is aligned by the detector's
    points and ``find_landmarks`` locates the same five points in it: 1 minus their mean distance in eye distances, at
    least 0, and 0 for implausible points. A frame without a face of high agreement is searched again, rotated by 90,
    180 and 270 degrees; of several detections of one face, the one with the highest agreement is kept. Without
    ``find_landmarks``, agreement is 1 or 0 by the geometry of the points.
    """

    def __init__(self, detector: Detector, alignment: Alignment, find_landmarks: FindLandmarks | None) -> None:
        self._detector, self._alignment, self._find_landmarks = detector, alignment, find_landmarks

    def __call__(self, frames: Sequence[Pixels], aspect: float = 1.0) -> list[list[Detection]]:
        """The faces of each frame in its pixels, the largest first."""
        square = [_squared(frame, aspect) for frame in frames]
        found = self._judged(square)
        again = [index for index, faces in enumerate(found) if not any(face.agreement >= SURE for face in faces)]
        for turns in (1, 2, 3) if again else ():
            turned = self._judged([np.ascontiguousarray(np.rot90(square[index], turns)) for index in again])
            for index, faces in zip(again, turned, strict=True):
                size = square[index].shape[:2]
                found[index] += [_turned_back(face, turns, size) for face in faces if face.possible]
        for index in again:
            found[index] = _best(found[index])
        return [
            [_scaled(face, (frame.shape[1] / wide.shape[1], frame.shape[0] / wide.shape[0])) for face in faces]
            for frame, wide, faces in zip(frames, square, found, strict=True)
        ]

    def _judged(self, frames: list[Pixels]) -> list[list[Detection]]:
        """Upright faces with their agreement."""
        found = self._detector(frames)
        judged = [[replace(f, agreement=float(possible_points(f))) for f in faces] for faces in found]
        places = [(i, j) for i, faces in enumerate(judged) for j, face in enumerate(faces) if face.agreement]
        if self._find_landmarks is None or not places:
            return judged
        points = [judged[i][j].points for i, j in places]
        matrices = [self._alignment.matrix(five) for five in points]
        crops = np.stack([self._alignment.cut(frames[i], m) for (i, _), m in zip(places, matrices, strict=True)])
        eyes = float(np.linalg.norm(FIVE_POINTS[1] - FIVE_POINTS[0])) * self._alignment.region
        landmarks = self._find_landmarks(crops)
        for (i, j), five, matrix, again in zip(places, points, matrices, landmarks, strict=True):
            apart = np.linalg.norm(five_points(again) - cv2.transform(five[None], matrix)[0], axis=1).mean() / eyes
            judged[i][j] = replace(judged[i][j], agreement=max(0.0, 1.0 - float(apart)))
        return judged


def possible_points(face: Detection) -> bool:
    """Whether five points are plausible for a face in any orientation.

    The eyes must be above the mouth and not mirrored against it, the distance between the eyes must be 0.2 to 2 times
    that from eyes to mouth, and all points must be in the box, extended by a tenth of its larger side.
    """
    left, right, _, mouth_left, mouth_right = face.points
    eyes, mouth = right - left, mouth_right - mouth_left
    down = (mouth_left + mouth_right - left - right) / 2
    upright = eyes[0] * down[1] - eyes[1] * down[0] > 0 and eyes @ mouth > 0
    slack = 0.1 * float((face.box[2:] - face.box[:2]).max())
    inside = bool(((face.points > face.box[:2] - slack) & (face.points < face.box[2:] + slack)).all())
    return bool(upright and inside and 0.2 < np.linalg.norm(eyes) / np.linalg.norm(down) < 2)


def _best(faces: list[Detection]) -> list[Detection]:
    """The detection with the highest agreement of each face; the largest face first."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.agreement):
        if all(overlap(face.box, other.box) < _SAME for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.area)


def _squared(frame: Pixels, aspect: float) -> Pixels:
    """The frame with square pixels, enlarged so that no face becomes smaller."""
    if aspect == 1:
        return frame
    height, width = frame.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _turned_back(face: Detection, turns: int, size: tuple[int, int]) -> Detection:
    """A face in a frame of ``size`` (H, W) that was found after ``turns`` counterclockwise quarter turns."""
    height, width = size

    def back(points: Floats) -> Floats:
        x, y = points[:, 0], points[:, 1]
        turned = {1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}[turns]
        return np.stack(turned, -1)

    corners = back(face.box.reshape(2, 2))
    return replace(face, box=np.concatenate([corners.min(0), corners.max(0)]), points=back(face.points))


def _scaled(face: Detection, factor: Any) -> Detection:
    """A face in the frame scaled by ``factor`` (x, y); the centre of pixel (0, 0) is at (0, 0)."""
    if factor == (1, 1):
        return face
    box = (face.box.reshape(2, 2) + 0.5) * factor - 0.5
    return replace(face, box=box.ravel(), points=(face.points + 0.5) * factor - 0.5)
