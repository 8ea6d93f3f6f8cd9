"""The search for faces and landmarks in frames, as extraction and conversion share it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from swaplab.faces.alignment import Alignment
from swaplab.faces.detection import MTCNNDetector
from swaplab.faces.search import FaceSearch, FindLandmarks
from swaplab.networks.pretrained.landmarks import Landmarker


def face_search(
    detector: Mapping[str, Any], alignment: Alignment, device: torch.device
) -> tuple[FaceSearch, FindLandmarks]:
    """The search in whole frames, and the finder of 68 landmarks in stored crops. ``detector``: its settings."""
    landmarker, border = Landmarker(device), alignment.border

    def find_landmarks(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        return landmarker(crops, border)

    return FaceSearch(MTCNNDetector(**detector, device=device), alignment, find_landmarks), find_landmarks
