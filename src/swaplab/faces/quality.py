"""Quality of a cropped face: sharpness, size, certainty of the detection."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.alignment import Alignment
from swaplab.faces.detection import Detection

# the flag of a face whose value is below its limit
FLAGS = {"sharpness": "blurred", "side": "small", "probability": "unsure", "agreement": "implausible"}


def measure(
    crop: NDArray[np.uint8], matrix: NDArray[np.float64], face: Detection, alignment: Alignment
) -> dict[str, float]:
    """Quality values of a stored crop (stored, stored, 3) that ``matrix`` (2, 3) cropped from its source.

    ``sharpness``: variance of the Laplacian of the grey face region (Pech-Pacheco et al. 2000), divided by the variance
    of the region, so that contrast and light do not matter. ``side``: side of the face region in source pixels.
    ``probability``, ``agreement``: of the detection.
    """
    region = alignment.region_of(crop)
    grey = cv2.cvtColor(np.ascontiguousarray(region), cv2.COLOR_RGB2GRAY).astype(np.float64)
    # + 1 for a grey level of noise, so that a uniform image does not count as sharp
    sharpness = cv2.Laplacian(grey, cv2.CV_64F).var() / (grey.var() + 1)
    side = alignment.region / float(np.sqrt(np.linalg.det(matrix[:, :2])))
    return {
        "sharpness": round(float(sharpness), 4),
        "side": round(side, 1),
        "probability": round(face.probability, 4),
        "agreement": round(face.agreement, 4),
    }


def flags(quality: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    """The flags of a face with values below their limits: blurred, small, unsure, implausible."""
    return [flag for name, flag in FLAGS.items() if quality[name] < limits[name]]
