"""Detect faces in frames: boxes, five points, and the detector's probability."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

# Minimum agreement for points to count as a face's. In frames of two speakers, rotated in steps of 15 degrees, 94 of
# the 111 detections whose points were wrong by more than 0.3 eye distances had less, and none more than 0.88; faces
# tilted by at most 15 degrees had at least 0.92.
POSSIBLE = 0.8

# the detector's first network uses windows of 12 pixels; below 20 pixels it takes anything for a face
_SMALLEST_SEARCHED = 20.0


@dataclass(frozen=True)
class Detection:
    """A face: ``box`` (4,) x0, y0, x1, y1 and ``points`` (5, 2), in pixels of the frame.

    The points are eyes, nose tip and mouth corners, first the one on the left of the image; for a rotated face, left
    and right refer to the upright face. ``probability``: by the detector, in [0, 1]. ``agreement``: of a second network
    on the points, in [0, 1] (see `FaceSearch`).
    """

    box: Floats
    probability: float
    points: Floats
    agreement: float = 1.0

    @property
    def possible(self) -> bool:
        """Whether the points are plausible for a face."""
        return self.agreement >= POSSIBLE

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float(np.prod(np.maximum(self.box[2:] - self.box[:2], 0)))


class Detector(Protocol):
    """Detects the faces in frames (H, W, 3) RGB uint8: one list per frame, the largest face first."""

    def __call__(self, frames: Sequence[Pixels]) -> list[list[Detection]]: ...


class MTCNNDetector:
    """The three cascaded networks of Zhang et al. 2016 (facenet-pytorch, weights in its package).

    ``min_face``: minimum height of a face's box in pixels of the frame. ``probability``: minimum detection probability.
    ``longest_side``: larger frames are scaled down to this many pixels for the search; faces smaller than 20 pixels
    after scaling are not found. ``batch``: frames per forward pass. ``device``: where the networks compute.
    """

    def __init__(
        self,
        min_face: float = 40,
        probability: float = 0.9,
        longest_side: int = 960,
        batch: int = 16,
        device: Any = "cpu",
    ) -> None:
        self.min_face, self.probability = min_face, probability
        self.longest_side, self.batch, self.device = longest_side, batch, device
        self._networks: dict[float, Any] = {}

    def __call__(self, frames: Sequence[Pixels]) -> list[list[Detection]]:
        """The faces of each frame. Frames may have different sizes; the result does not depend on the batch."""
        found: list[list[Detection]] = [[] for _ in frames]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for index, frame in enumerate(frames):
            by_size.setdefault(frame.shape, []).append(index)
        for indices in by_size.values():
            for start in range(0, len(indices), self.batch):
                part = indices[start : start + self.batch]
                for index, detections in zip(part, self._search([frames[i] for i in part]), strict=True):
                    found[index] = detections
        return found

    def _search(self, frames: list[Pixels]) -> list[list[Detection]]:
        height, width = frames[0].shape[:2]
        scale = min(1.0, self.longest_side / max(height, width))
        side = max(self.min_face * scale, _SMALLEST_SEARCHED)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if min(size) <= side:
            return [[] for _ in frames]
        if scale < 1:
            frames = [np.asarray(cv2.resize(f, size, interpolation=cv2.INTER_AREA), np.uint8) for f in frames]
        # pixel centres: x in the small frame is (x + 1/2) / scale - 1/2 in the large one
        factor = np.array([width / size[0], height / size[1]])
        boxes, probabilities, points = self._network(side).detect(np.stack(frames), landmarks=True)
        return [
            self._detections(*found, factor) if found[0] is not None else []
            for found in zip(boxes, probabilities, points, strict=True)
        ]

    def _network(self, side: float) -> Any:
        if side not in self._networks:
            from facenet_pytorch import MTCNN

            self._networks[side] = MTCNN(keep_all=True, min_face_size=side, device=self.device)
        return self._networks[side]

    def _detections(self, boxes: Any, probabilities: Any, points: Any, factor: Floats) -> list[Detection]:
        found = [
            Detection(
                ((np.asarray(box, float).reshape(2, 2) + 0.5) * factor - 0.5).ravel(),
                float(probability),
                (np.asarray(five, float) + 0.5) * factor - 0.5,
            )
            for box, probability, five in zip(boxes, probabilities, points, strict=True)
        ]
        # the search starts with windows of ``min_face`` and may end in a smaller box
        taken = [f for f in found if f.probability >= self.probability and np.ptp(f.box[1::2]) >= self.min_face]
        return sorted(taken, key=lambda face: -face.area)


def overlap(first: Floats, second: Floats) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    union = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2])) - shared
    return shared / union if union > 0 else 0.0
