"""Faults that occur when faces are collected, applied to a share of the train frames and named in their ``flags``."""

from dataclasses import asdict

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.randomness import generator_at
from swaplab.synthetic.profile import Corruption

Image = NDArray[np.uint8]

# in order: faults of the rendered frame, of its pixels, of its crop
FAULTS = ("duplicate", "wrong_identity", "non_face", "blur", "jpeg", "bad_landmarks")


def faults(doses: Corruption, seed: int, *where: str | int) -> list[str]:
    """The faults of the frame at ``where``, each drawn independently."""
    shares = asdict(doses)
    return [fault for fault in FAULTS if generator_at(seed, "fault", fault, *where).random() < shares[fault]]


def blurred(image: Image, generator: np.random.Generator) -> Image:
    """Defocus: a Gaussian blur with a standard deviation of 1.5 to 3 % of the side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), len(image) * generator.uniform(0.015, 0.03)), np.uint8)


def compressed(image: Image, generator: np.random.Generator) -> Image:
    """JPEG artefacts at quality 5 to 15."""
    quality = int(generator.integers(5, 16))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB), np.uint8)


def non_face(size: int, generator: np.random.Generator) -> Image:
    """A false detection (size, size, 3): blobs, stripes and grain."""
    cells = generator.uniform(0, 255, (*generator.integers(3, 9, 2), 3)).astype(np.float32)
    image = cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC)
    row, column = np.mgrid[:size, :size] / size
    turn, waves = generator.uniform(0, np.pi), generator.uniform(2, 12)
    image += 30 * np.sin(2 * np.pi * waves * (np.cos(turn) * row + np.sin(turn) * column))[..., None]
    return np.clip(image + generator.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def misplaced(landmarks: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Landmarks (68, 2) rotated by 20 to 50 degrees, scaled by 0.8 to 1.25, shifted by up to 0.2 of their extent."""
    centre, extent = landmarks.mean(0), np.ptp(landmarks, axis=0).max()
    angle = np.deg2rad(generator.uniform(20, 50)) * generator.choice([-1, 1])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = generator.uniform(-0.2, 0.2, 2) * extent
    return np.asarray((landmarks - centre) @ turn.T * generator.uniform(0.8, 1.25) + centre + shift)
