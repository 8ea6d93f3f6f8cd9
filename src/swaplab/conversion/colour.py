"""Match the colours of a swapped face to those of the face that it replaces."""

import cv2
import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.float32]

# maximum increase of contrast; without it, a flat swap of a sharp face would become a caricature
GAIN_LIMIT = 2.0


def match_statistics(faces: Faces, references: Faces, weights: Faces, gain_limit: float = GAIN_LIMIT) -> Faces:
    """``faces`` with the mean and standard deviation of ``references``, per channel of CIE L*a*b*.

    ``faces``, ``references``: RGB (n, R, R, 3) in [0, 1]. ``weights``: (n, R, R) in [0, 1], the weight of each pixel.
    Returns colours in [0, 1] for all pixels, including those with weight 0; a face without any weight is unchanged.
    Contrast increases at most by ``gain_limit``. Source: Reinhard et al. 2001, Color Transfer between Images, in
    L*a*b*.
    """
    matched = faces.copy()
    for i in np.flatnonzero(weights.sum((1, 2)) > 0):
        lab, wanted = _lab(faces[i]), _lab(references[i])
        mean, deviation = _statistics(lab, weights[i])
        wanted_mean, wanted_deviation = _statistics(wanted, weights[i])
        gain = np.minimum(wanted_deviation / np.maximum(deviation, 1e-6), gain_limit)
        matched[i] = _rgb(((lab - mean) * gain + wanted_mean).astype(np.float32))
    return np.clip(matched, 0, 1)


# between sRGB and L*a*b*, OpenCV uses a coarse table with errors above a level of 255; from linear light it is exact
def _lab(image: Faces) -> Faces:
    linear = np.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    return np.asarray(cv2.cvtColor(linear.astype(np.float32), cv2.COLOR_LRGB2Lab), np.float32)


def _rgb(image: Faces) -> Faces:
    linear = np.maximum(cv2.cvtColor(image, cv2.COLOR_Lab2LRGB), 0)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear).astype(np.float32)


def _statistics(image: Faces, weight: Faces) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pixels, share = image.reshape(-1, 3).astype(np.float64), weight.ravel() / weight.sum(dtype=np.float64)
    mean = share @ pixels
    return mean, np.sqrt(share @ (pixels - mean) ** 2)
