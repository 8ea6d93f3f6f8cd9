"""Quality: sharpness falls with blur and not with contrast; the side is that of the source."""

import cv2
import numpy as np
import pytest

from swaplab.faces.alignment import FIVE_POINTS, Alignment, five_points
from swaplab.faces.detection import Detection
from swaplab.faces.quality import flags, measure
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState

ALIGNMENT = Alignment(64)
LIMITS = {"sharpness": 0.04, "side": 48.0, "probability": 0.95, "agreement": 0.8}
FACE = Detection(np.array([0.0, 0, 64, 64]), 0.9, FIVE_POINTS * 64)


def test_blur_counts_and_contrast_does_not() -> None:
    rendering = render(person("A"), FrameState(), 192)
    matrix = ALIGNMENT.matrix(five_points(rendering.landmarks))
    crop = ALIGNMENT.cut(rendering.image, matrix)

    def sharpness(image: np.ndarray) -> float:
        return measure(image, matrix, FACE, ALIGNMENT)["sharpness"]

    blurred = [sharpness(np.asarray(cv2.GaussianBlur(crop, (0, 0), s), np.uint8)) for s in (0.7, 1.5, 3)]
    assert sorted([sharpness(crop), *blurred], reverse=True) == [sharpness(crop), *blurred]
    assert blurred[2] < LIMITS["sharpness"] < sharpness(crop)
    dim = (crop * 0.5 + 30).astype(np.uint8)
    assert sharpness(dim) == pytest.approx(sharpness(crop), rel=0.05)
    assert sharpness(np.full_like(crop, 77)) == 0


def test_the_side_is_in_source_pixels() -> None:
    crop = np.zeros((96, 96, 3), np.uint8)
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for scale in (0.25, 1.0, 2.0):
        matrix = np.hstack([scale * turn, [[3.0], [4.0]]])
        assert measure(crop, matrix, FACE, ALIGNMENT)["side"] == 64 / scale


def test_each_limit_has_its_flag() -> None:
    good = {"sharpness": 0.5, "side": 60.0, "probability": 0.99, "agreement": 0.95}
    assert flags(good, LIMITS) == []
    assert flags(good | {"sharpness": 0.03}, LIMITS) == ["blurred"]
    assert flags(good | {"side": 47.0}, LIMITS) == ["small"]
    assert flags(good | {"probability": 0.94}, LIMITS) == ["unsure"]
    assert flags(good | {"agreement": 0.79}, LIMITS) == ["implausible"]
    assert flags(dict.fromkeys(good, 0.0), LIMITS) == ["blurred", "small", "unsure", "implausible"]
