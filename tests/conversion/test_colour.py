"""Colour statistics: closed forms in L*a*b*."""

import numpy as np

from swaplab.conversion.colour import match_statistics

SHAPE = (2, 24, 24, 3)


def faces(seed: int, low: float, high: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).uniform(low, high, SHAPE).astype(np.float32)


def lab(image: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """CIE L*a*b* (D65) by its definition, in float64."""
    image = image.astype(np.float64)
    linear = np.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    to_xyz = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    xyz = linear @ np.array(to_xyz).T / (0.950456, 1.0, 1.088754)
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def moments(image: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    pixels = lab(image)
    mean = np.average(pixels, axis=(0, 1), weights=weight)
    return mean, np.sqrt(np.average((pixels - mean) ** 2, axis=(0, 1), weights=weight))


def test_statistics_inside_the_weights_become_the_references() -> None:
    swapped, reference = faces(0, 0.45, 0.55), faces(1, 0.3, 0.4)
    weights = np.random.default_rng(2).uniform(0, 1, SHAPE[:3]).astype(np.float32)
    weights[:, :8] = 0
    # what lies outside the weights must not count
    swapped[:, :8], reference[:, :8] = 1, 0
    matched = match_statistics(swapped, reference, weights)
    for image, wanted, weight in zip(matched, reference, weights, strict=True):
        for got, expected in zip(moments(image, weight), moments(wanted, weight), strict=True):
            assert np.abs(got - expected).max() < 0.02  # of 100


def test_a_face_with_changed_colours_gets_its_own_back() -> None:
    reference = faces(3, 0.35, 0.6)
    weights = np.ones(SHAPE[:3], np.float32)
    # grey: a power of linear light is no affine map of L*, but a darker, flatter L* is
    grey = np.repeat(reference[..., :1], 3, axis=-1)
    lightness = 0.8 * lab(grey)[..., :1] + 9
    linear = np.repeat(((lightness + 16) / 116) ** 3, 3, axis=-1)
    changed = (1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
    assert np.abs(changed - grey).max() > 0.02
    assert np.abs(match_statistics(changed, grey, weights) - grey).max() < 1e-3
    assert np.abs(match_statistics(reference, reference, weights) - reference).max() < 1e-3


def test_contrast_grows_only_to_the_limit_and_grey_stays_grey() -> None:
    weights = np.ones(SHAPE[:3], np.float32)
    flat, strong = faces(4, 0.49, 0.51), faces(5, 0.1, 0.9)
    limited = match_statistics(flat, strong, weights, gain_limit=2.0)
    deviation, wanted = moments(limited[0], weights[0])[1], 2 * moments(flat[0], weights[0])[1]
    assert np.abs(deviation - wanted).max() < 0.1
    grey = np.repeat(faces(6, 0.2, 0.8)[..., :1], 3, axis=-1)
    assert np.ptp(match_statistics(strong, grey, weights), axis=-1).max() < 2e-3


def test_without_weight_nothing_changes() -> None:
    swapped = faces(7, 0, 1)
    weights = np.zeros(SHAPE[:3], np.float32)
    assert (match_statistics(swapped, faces(8, 0, 1), weights) == swapped).all()
