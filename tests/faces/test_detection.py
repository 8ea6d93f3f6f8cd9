"""Detection in batches, at any size; the points are where they are in the source."""

import cv2
import numpy as np
import pytest

from swaplab.faces.alignment import five_points
from swaplab.faces.detection import MTCNNDetector
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.rendering import Rendering, render

PROFILE = IdentityProfile(Count(1, 1, 1), Count(1, 1, 1), Count(1, 1, 1))


@pytest.fixture(scope="module")
def renderings() -> list[Rendering]:
    """Five different heads of 192 pixels."""
    states = [Clip(0, "A", "test", index, PROFILE).state(1.0) for index in range(5)]
    return [render(person("AB"[index % 2]), state, 192) for index, state in enumerate(states)]


def on_canvas(rendering: Rendering, x: int, y: int, height: int = 300, width: int = 420) -> np.ndarray:
    canvas = np.full((height, width, 3), 90, np.uint8)
    canvas[y : y + 192, x : x + 192] = rendering.image
    return canvas


def test_in_batches_as_one_by_one(renderings: list[Rendering]) -> None:
    # Faces at several places, none, two, and a frame of another size between.
    frames = [on_canvas(r, 30 + 40 * i, 10 + 20 * i) for i, r in enumerate(renderings)]
    frames.insert(2, np.full_like(frames[0], 90))
    frames.insert(4, on_canvas(renderings[0], 0, 0, 250, 260))
    frames[5][50:242, 220:412] = renderings[1].image
    frames[5][50:242, 10:202] = renderings[2].image
    batched = MTCNNDetector(batch=4)(frames)
    single = MTCNNDetector(batch=1)
    alone = [single([frame])[0] for frame in frames]
    assert [len(found) for found in batched] == [1, 1, 0, 1, 1, 2, 1]
    for together, apart in zip(batched, alone, strict=True):
        assert len(together) == len(apart)
        for one, other in zip(together, apart, strict=True):
            np.testing.assert_allclose(one.box, other.box, atol=0.01)
            np.testing.assert_allclose(one.points, other.points, atol=0.01)
            assert abs(one.probability - other.probability) < 1e-4
    areas = [face.area for face in batched[5]]
    assert areas == sorted(areas, reverse=True)


def test_points_are_in_source_pixels_at_any_size(renderings: list[Rendering]) -> None:
    detector = MTCNNDetector()
    for rendering in renderings[:2]:
        true = five_points(rendering.landmarks)
        between_eyes = np.linalg.norm(true[1] - true[0])
        for factor in (1, 8):
            large = cv2.resize(rendering.image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            (found,) = detector([np.asarray(large, np.uint8)])[0]
            points = (found.points + 0.5) / factor - 0.5
            assert np.linalg.norm(points[:2] - true[:2], axis=1).mean() < 0.1 * between_eyes
            assert (found.box[:2] < found.points.min(0)).all()
            assert (found.box[2:] > found.points.max(0)).all()
            assert detector.probability <= found.probability <= 1


def test_no_faces_where_there_are_none(renderings: list[Rendering]) -> None:
    assert MTCNNDetector()([]) == []
    for shape in ((30, 200, 3), (1, 1, 3), (200, 300, 3)):
        assert MTCNNDetector()([np.full(shape, 128, np.uint8)]) == [[]]
    assert MTCNNDetector(min_face=180)([renderings[0].image]) == [[]]
    assert MTCNNDetector(probability=1.1)([renderings[0].image]) == [[]]
