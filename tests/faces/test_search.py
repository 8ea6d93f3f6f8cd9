"""Faces are found whatever way they lie, on pixels of any shape; points that no face has are known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from swaplab.faces.alignment import FIVE_POINTS, Alignment, five_points
from swaplab.faces.detection import Detection, MTCNNDetector
from swaplab.faces.search import SURE, FaceSearch, possible_points
from swaplab.networks.pretrained.landmarks import Landmarker
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import Rendering, render
from swaplab.synthetic.states import FrameState

ALIGNMENT = Alignment(64)
SIZE = 160
Shape = Callable[[Any], Any]


class Counting:
    """A detector that counts the frames it is shown."""

    def __init__(self) -> None:
        self.detector, self.frames = MTCNNDetector(), 0

    def __call__(self, frames: Sequence[Any]) -> list[list[Detection]]:
        self.frames += len(frames)
        return self.detector(frames)


@pytest.fixture(scope="module")
def rendering() -> Rendering:
    return render(person("A"), FrameState(), SIZE)


def search_with(detector: Any) -> FaceSearch:
    landmarker = Landmarker()
    return FaceSearch(detector, ALIGNMENT, lambda crops: landmarker(crops, ALIGNMENT.border))


def wrong_by(face: Detection, true: Any) -> float:
    """Mean error of the points, in distances of the eyes."""
    return float(np.linalg.norm(face.points - true, axis=1).mean() / np.linalg.norm(true[1] - true[0]))


def test_a_face_is_found_whatever_way_it_lies(rendering: Rendering) -> None:
    true, wide = five_points(rendering.landmarks), 24
    image = cv2.copyMakeBorder(rendering.image, 0, 0, wide, 0, cv2.BORDER_REPLICATE)
    true = true + np.array([wide, 0])
    width, height = SIZE + wide - 1, SIZE - 1
    turned = [true, np.stack([true[:, 1], width - true[:, 0]], -1), [width, height] - true,
              np.stack([height - true[:, 1], true[:, 0]], -1)]  # fmt: skip
    detector = Counting()
    search = search_with(detector)
    for turns, expected in enumerate(turned):
        detector.frames = 0
        ((face, *others),) = search([np.ascontiguousarray(np.rot90(image, turns))])
        assert not others
        assert wrong_by(face, expected) < 0.08
        assert face.agreement > SURE
        assert face.possible
        middle = (face.box[:2] + face.box[2:]) / 2
        assert np.linalg.norm(middle - expected.mean(0)) < 0.5 * np.linalg.norm(expected[1] - expected[0])
        assert detector.frames == (1 if turns == 0 else 4)


def test_only_frames_without_a_sure_face_are_searched_again(rendering: Rendering) -> None:
    detector = Counting()
    nothing = np.full((SIZE, SIZE, 3), 90, np.uint8)
    found = search_with(detector)([rendering.image, nothing, rendering.image])
    assert [len(faces) for faces in found] == [1, 0, 1]
    assert detector.frames == 3 + 3


@pytest.mark.parametrize("aspect", [4 / 3, 12 / 11, 0.75])
def test_points_and_crop_of_squeezed_pixels_are_those_of_square_ones(aspect: float, rendering: Rendering) -> None:
    search = search_with(MTCNNDetector())
    ((square,),) = search([rendering.image])
    size = (round(SIZE / aspect), SIZE) if aspect > 1 else (SIZE, round(SIZE * aspect))
    squeezed = np.asarray(cv2.resize(rendering.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    ((face,),) = search([squeezed], aspect)
    factor = np.array([squeezed.shape[1] / SIZE, squeezed.shape[0] / SIZE])
    assert np.abs((face.points + 0.5) / factor - 0.5 - square.points).max() < 2
    crops = [
        ALIGNMENT.cut(image, ALIGNMENT.matrix(points, shape)).astype(int)
        for image, points, shape in ((rendering.image, square.points, 1.0), (squeezed, face.points, aspect))
    ]
    plain = ALIGNMENT.cut(squeezed, ALIGNMENT.matrix(face.points)).astype(int)
    assert np.abs(crops[0] - crops[1]).mean() < 6
    assert np.abs(crops[0] - crops[1]).mean() < 0.6 * np.abs(crops[0] - plain).mean() or abs(aspect - 1) < 0.1


IMPOSSIBLE: dict[str, Shape] = {
    "eyes below the mouth": lambda points: points[[3, 4, 2, 0, 1]],
    "mirrored": lambda points: points[[1, 0, 2, 4, 3]],
    "a mouth the wrong way round": lambda points: points[[0, 1, 2, 4, 3]],
    "eyes too close": lambda points: np.concatenate([points[:1], points[:1] + np.array([2, 0]), points[2:]]),
    "mouth too close": lambda points: np.concatenate([points[:3], points[:2] + np.array([0, 4])]),
    "one outside the box": lambda points: points + np.eye(5, 2) * [0, 60],
}


@pytest.mark.parametrize("fault", IMPOSSIBLE)
def test_points_that_no_face_has(fault: str) -> None:
    face = Detection(np.array([10.0, 10, 110, 110]), 0.99, FIVE_POINTS * 100 + 10)
    assert possible_points(face)
    wrong = replace(face, points=IMPOSSIBLE[fault](face.points))
    assert not possible_points(wrong)

    class Finds:
        def __call__(self, frames: Sequence[Any]) -> list[list[Detection]]:
            return [[wrong] for _ in frames]

    ((seen, *_),) = FaceSearch(Finds(), ALIGNMENT, None)([np.zeros((120, 120, 3), np.uint8)])
    assert not seen.possible


def test_where_the_second_network_sees_other_points_the_face_is_implausible() -> None:
    face = Detection(np.array([10.0, 10, 110, 110]), 0.99, FIVE_POINTS * 100 + 10)

    class Finds:
        def __call__(self, frames: Sequence[Any]) -> list[list[Detection]]:
            return [[face] for _ in frames]

    for shift, possible in ((0.0, True), (2.0, True), (20.0, False)):
        where = np.repeat(FIVE_POINTS * 64 + ALIGNMENT.border + [shift, 0], [14, 14, 14, 13, 13], 0)
        landmarks = np.zeros((68, 2))
        landmarks[36:42], landmarks[42:48] = where[0], where[14]
        landmarks[30], landmarks[48], landmarks[54] = where[28], where[42], where[55]
        search = FaceSearch(Finds(), ALIGNMENT, lambda crops, found=landmarks: np.repeat(found[None], len(crops), 0))
        ((seen, *_),) = search([np.zeros((120, 120, 3), np.uint8)])
        assert seen.possible == possible
        assert seen.agreement == pytest.approx(max(0, 1 - shift / (0.397 * 64)), abs=1e-6)
