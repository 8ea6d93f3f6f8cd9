"""The similarity against known transforms and plain least squares; where crops are cut."""

import numpy as np
import pytest
from numpy.typing import NDArray

from swaplab.faces.alignment import FIVE_POINTS, Alignment, five_points, similarity
from swaplab.randomness import generator_at


def least_squares(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """a, b, x, y of [[a, -b, x], [b, a, y]] as one linear system."""
    rows = []
    for x, y in source:
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
    a, b, x, y = np.linalg.lstsq(np.array(rows), target.ravel(), rcond=None)[0]
    return np.array([[a, -b, x], [b, a, y]])


@pytest.mark.parametrize("seed", range(20))
def test_similarity_recovers_a_known_transform(seed: int) -> None:
    draw = generator_at(seed, "similarity")
    points = draw.uniform(0, 100, (5, 2))
    angle, scale = draw.uniform(-np.pi, np.pi), draw.uniform(0.2, 3)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    known = np.array([[a, -b, draw.uniform(-50, 50)], [b, a, draw.uniform(-50, 50)]])
    target = points @ known[:, :2].T + known[:, 2]
    np.testing.assert_allclose(similarity(points, target), known, atol=1e-9)
    noisy = target + draw.normal(0, 2, target.shape)
    np.testing.assert_allclose(similarity(points, noisy), least_squares(points, noisy), atol=1e-8)


def test_similarity_never_mirrors() -> None:
    points = generator_at(0, "mirror").uniform(0, 100, (5, 2))
    mirrored = points * [-1, 1]
    matrix = similarity(points, mirrored)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix, least_squares(points, mirrored), atol=1e-8)


@pytest.mark.parametrize("region", [16, 64, 65, 128, 256])
def test_the_region_lies_in_the_centre_of_the_stored_crop(region: int) -> None:
    alignment = Alignment(region)
    assert alignment.stored == region + 2 * alignment.border
    assert alignment.stored / region == pytest.approx(1.5, abs=1 / region)
    stored = np.arange(2 * alignment.stored**2 * 3).reshape(2, alignment.stored, alignment.stored, 3)
    view = alignment.region_of(stored)
    assert view.shape == (2, region, region, 3)
    assert view[1, 0, 0, 0] == stored[1, alignment.border, alignment.border, 0]
    assert np.shares_memory(view, stored)


def test_a_face_is_cut_to_its_place() -> None:
    alignment = Alignment(64)
    draw = generator_at(1, "cut")
    eyes_to_mouth = FIVE_POINTS * 40 + draw.uniform(20, 60, 2)  # a face of 40 pixels somewhere in a frame
    image = np.zeros((120, 140, 3), np.uint8)
    y, x = np.mgrid[:120, :140]
    for channel, (px, py) in enumerate(eyes_to_mouth[:3]):
        image[..., channel] = np.rint(255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8))
    cut = alignment.cut(image, alignment.matrix(eyes_to_mouth))
    assert cut.shape == (96, 96, 3)
    for channel, place in enumerate(FIVE_POINTS[:3] * 64 + alignment.border):
        weights = cut[..., channel].astype(float)
        weights[weights < 25] = 0
        rows, columns = np.mgrid[:96, :96]
        centre = [(weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()]
        np.testing.assert_allclose(centre, place, atol=0.1)


def test_beyond_the_frame_the_edge_is_repeated() -> None:
    image = np.full((20, 20, 3), 77, np.uint8)
    shifted = np.array([[1.0, 0.0, 60.0], [0.0, 1.0, 0.0]])
    assert (Alignment(64).cut(image, shifted) == 77).all()


def test_five_points_of_68_landmarks() -> None:
    landmarks = np.arange(136, dtype=float).reshape(68, 2)
    expected = [landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]]
    assert np.array_equal(five_points(landmarks), expected)


def test_a_crop_that_shrinks_averages_the_pixels_it_covers() -> None:
    """A fine checkerboard seen from afar is grey; one sample a pixel would be black or white."""
    checks = np.indices((512, 512)).sum(0) % 2 * np.uint8(255)
    image = np.repeat(checks[..., None], 3, 2).astype(np.uint8)
    alignment = Alignment(64)
    cut = alignment.cut(image, np.array([[0.18, 0, 0], [0, 0.18, 0]]))
    assert abs(float(cut.mean()) - 127.5) < 2
    assert cut.std() < 20
