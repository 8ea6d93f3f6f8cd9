"""Paste-back against a slow bicubic in NumPy, closed forms and the bytes it must not touch."""

import math

import cv2
import numpy as np
import pytest

from swaplab.conversion.compositing import feathered, paste_back

SIDE = 32


def placed(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    """The matrix from frame pixels to face pixels of a face that is ``scale`` as large in the frame."""
    angle = math.radians(degrees)
    forward = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    inverse = np.linalg.inv(forward)
    return np.hstack([inverse, (-inverse @ np.array([x, y]))[:, None]])


def cubic(distance: float) -> float:
    """Keys' kernel with a = -3/4 (OpenCV's)."""
    a, d = -0.75, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def linear(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def sampled(image: np.ndarray, x: float, y: float, kernel, outside: str) -> np.ndarray:  # type: ignore[no-untyped-def,type-arg]
    total = np.zeros(image.shape[2:])
    for row in range(math.floor(y) - 1, math.floor(y) + 3):
        for column in range(math.floor(x) - 1, math.floor(x) + 3):
            inside = 0 <= row < len(image) and 0 <= column < image.shape[1]
            if inside or outside == "edge":
                pixel = image[min(max(row, 0), len(image) - 1), min(max(column, 0), image.shape[1] - 1)]
                total = total + pixel * kernel(y - row) * kernel(x - column)
    return total


def slow_paste(frame: np.ndarray, face: np.ndarray, alpha: np.ndarray, matrix: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    out = frame.astype(np.float64)
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            u, v = matrix @ (x, y, 1)
            weight = float(sampled(alpha, u, v, linear, "zero"))
            colour = np.clip(sampled(face, u, v, cubic, "edge"), 0, 1) * 255
            out[y, x] = weight * colour + (1 - weight) * out[y, x]
    return out


@pytest.fixture
def face() -> np.ndarray:  # type: ignore[type-arg]
    noise = np.random.default_rng(0).uniform(0.1, 0.9, (SIDE, SIDE, 3))
    return cv2.GaussianBlur(noise, (0, 0), 1.2).astype(np.float32)


@pytest.fixture
def alpha() -> np.ndarray:  # type: ignore[type-arg]
    hull = np.zeros((SIDE * 3, SIDE * 3), np.uint8)
    cv2.circle(hull, (47, 50), 40, 255, -1)
    return feathered(hull, SIDE, 0.1)


@pytest.mark.parametrize(
    ("scale", "degrees", "x", "y"), [(1.7, 13, 5.3, 4.6), (1.0, 0, 9.25, 7.5), (2.4, -35, -20, 30)]
)
def test_paste_back_equals_the_slow_reference(face, alpha, scale, degrees, x, y) -> None:  # type: ignore[no-untyped-def]
    frame = np.random.default_rng(1).integers(0, 256, (70, 61, 3), dtype=np.uint8)
    matrix = placed(scale, degrees, x, y)
    expected = slow_paste(frame, face, alpha, matrix)
    pasted = frame.copy()
    paste_back(pasted, face, alpha, matrix)
    difference = np.abs(pasted - expected)
    # half a level of rounding, and OpenCV's steps of 1/32 pixel
    assert difference.max() < 2.5
    assert difference.mean() < 0.35
    assert (pasted != frame).any()


def test_where_alpha_is_zero_bytes_stay(face, alpha) -> None:  # type: ignore[no-untyped-def]
    frame = np.random.default_rng(2).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    matrix = placed(2.0, 20, 20.4, 10.7)
    pasted = frame.copy()
    paste_back(pasted, face, alpha, matrix)
    y, x = np.mgrid[:90, :90]
    u, v = np.einsum("ij,jhw->ihw", matrix, np.stack([x, y, np.ones_like(x)]))
    outside = np.hypot(u - 46 / 3, v - 49 / 3) > 40.5 / 3
    assert (pasted == frame)[outside].all()
    assert (pasted != frame).any(-1)[~outside].mean() > 0.6
    untouched = frame.copy()
    paste_back(untouched, face, np.zeros_like(alpha), matrix)
    assert (untouched == frame).all()


def test_a_shift_by_whole_pixels_is_exact(face) -> None:  # type: ignore[no-untyped-def]
    frame = np.zeros((60, 60, 3), np.uint8)
    paste_back(frame, face, np.ones((SIDE, SIDE), np.float32), placed(1, 0, 11, 17))
    assert (frame[17 : 17 + SIDE, 11 : 11 + SIDE] == np.rint(face * 255)).all()
    assert frame.sum() == frame[17 : 17 + SIDE, 11 : 11 + SIDE].sum()


@pytest.mark.parametrize("shrink", [2, 3, 4])
def test_shrinking_takes_means_and_never_aliases(shrink: int) -> None:
    stripes = np.zeros((48, 48, 3), np.float32)
    stripes[:, ::2] = 1
    frame = np.zeros((40, 40, 3), np.uint8)
    # a pixel of the frame covers shrink x shrink pixels of the face exactly
    corner = 8 + 0.5 / shrink - 0.5
    paste_back(frame, stripes, np.ones((48, 48), np.float32), placed(1 / shrink, 0, corner, corner))
    inside = frame[8 : 8 + 48 // shrink, 8 : 8 + 48 // shrink].astype(float)
    blocks = stripes.reshape(48 // shrink, shrink, 48 // shrink, shrink, 3).mean((1, 3)) * 255
    assert np.abs(inside - blocks)[2:-2, 2:-2].max() <= 1


def test_a_face_beyond_the_frame_is_cut_off(face, alpha) -> None:  # type: ignore[no-untyped-def]
    frame = np.full((20, 20, 3), 9, np.uint8)
    paste_back(frame, face, alpha, placed(1, 0, 500, 500))
    assert (frame == 9).all()
    large = np.full((80, 80, 3), 9, np.uint8)
    paste_back(large, face, alpha, placed(1.5, 10, 3, 5))
    small = np.full((20, 20, 3), 9, np.uint8)
    paste_back(small, face, alpha, placed(1.5, 10, 3, 5))
    assert (small == large[:20, :20]).all()


def test_feather_is_zero_outside_rises_inside_and_ends_at_the_edge() -> None:
    side, feather = 64, 0.1
    hull = np.zeros((side * 3, side * 3), np.uint8)
    hull[:, 60:150] = 255  # columns 20 to 50, and all rows: the region's own edge must fade too
    alpha = feathered(hull, side, feather)
    assert alpha.shape == (side, side)
    assert (alpha[:, :20] == 0).all()
    assert (alpha[:, 50:] == 0).all()
    assert (alpha[0] == 0).all()
    assert (alpha[-1] == 0).all()
    row = alpha[32, 20:35]
    depth = np.clip((np.arange(15) + 0.5 + 1 / 6 - math.sqrt(2)) / (feather * side), 0, 1)
    assert np.allclose(row, depth**2 * (3 - 2 * depth), atol=0.02)
    assert alpha.max() == 1
