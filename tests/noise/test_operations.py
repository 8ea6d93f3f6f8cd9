"""Warp, colour match and motion blur against slow references; angles and ranges of the affine."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from swaplab.faces.alignment import Alignment, similarity
from swaplab.noise.blur import MotionBlur, line
from swaplab.noise.colour import ColourMatch
from swaplab.noise.generators import KeyedGenerators
from swaplab.noise.geometry import Affine, Flip
from swaplab.noise.operation import Facts, Picture, RandomOperation, Scope
from swaplab.noise.warp import Warp, to_regular
from swaplab.randomness import generator_at


def picture(seed: int, side: int, channels: int = 3, blur: float = 4.0) -> Picture:
    """Smoothed noise over most of the range."""
    values = ndimage.gaussian_filter(generator_at(seed, "picture").normal(size=(side, side, channels)), (blur, blur, 0))
    return np.rint(255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)


def at(*where: str | int) -> KeyedGenerators:
    """The generators of an operation at a place."""
    generators = KeyedGenerators()
    generators.move_to(0, *where)
    return generators


def changed(operation: RandomOperation[Any], draws: KeyedGenerators, image: Picture, **facts: Any) -> Picture:
    """The image alone, changed."""
    return operation({"image": image}, draws, Facts(**{"region": 64} | facts))["image"]


def warped(warp: Warp, draws: KeyedGenerators, region: int, **pictures: Picture) -> Mapping[str, Picture]:
    return warp(pictures, draws, Facts(region))


def reference_maps(nodes: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """faceswap-GAN v2.2: nodes resized to 80 / 64 of the side (half-pixel centres), an eighth cut off."""
    large, cut = side * 80 // 64, side * 8 // 64
    maps = np.empty((2, large, large))
    for i in range(large):
        for j in range(large):
            v, u = np.clip((i + 0.5) * 5 / large - 0.5, 0, 4), np.clip((j + 0.5) * 5 / large - 0.5, 0, 4)
            top, left = min(int(v), 3), min(int(u), 3)
            for axis in range(2):
                (a, b), (c, d) = nodes[axis, top : top + 2, left : left + 2]
                upper, lower = a + (u - left) * (b - a), c + (u - left) * (d - c)
                maps[axis, i, j] = upper + (v - top) * (lower - upper)
    return maps[:, cut:-cut, cut:-cut]


@pytest.mark.parametrize(("region", "place"), [(64, 0), (64, 1), (128, 2)])
def test_warp_against_the_published_construction(region: int, place: int) -> None:
    alignment = Alignment(region)
    face = picture(place, alignment.stored, blur=region / 10)
    result = warped(Warp(), at("A", place, "warp"), region, image=face, input=face, mask=face[..., :2])
    sampling = Warp().drawn(at("A", place, "warp").numpy, face, Facts(region))

    draw = generator_at(0, "A", place, "warp")
    coverage, sigma = draw.uniform([0.609, 0.0293], [0.758, 0.0363])
    half = coverage * alignment.stored / 2
    centre = (alignment.stored - 1) / 2
    grid = np.linspace(centre - half, centre + half, 5)
    nodes = np.stack(np.meshgrid(grid, grid)) + sigma * region * draw.standard_normal((2, 5, 5))
    maps = reference_maps(nodes, region)
    np.testing.assert_allclose(sampling.input, maps, atol=1e-4)
    for channel in range(3):
        wanted = ndimage.map_coordinates(face[..., channel].astype(float), maps[::-1], order=1, mode="nearest")
        assert np.abs(result["input"][..., channel] - wanted).max() < 2  # cv2 rounds places to 1/32 pixel

    # Umeyama's target: sample at the inverse of the similarity to the regular nodes, half-pixel centres.
    regular = np.stack(np.meshgrid(*[np.arange(5) * region / 4 - 0.5] * 2))
    matrix = similarity(nodes.reshape(2, -1).T, regular.reshape(2, -1).T)
    np.testing.assert_allclose(sampling.target[:2], matrix, atol=1e-9)
    x, y = np.meshgrid(np.arange(region), np.arange(region))
    places = np.linalg.solve(matrix[:, :2], np.stack([x.ravel(), y.ravel()]) - matrix[:, 2:])
    for channel, (name, order) in enumerate([("image", 3), ("mask", 1)]):
        wanted = ndimage.map_coordinates(face[..., channel].astype(float), places[::-1], order=order, mode="nearest")
        assert np.abs(result[name][..., channel] - wanted.reshape(region, region)).max() < 3


def test_similarity_to_the_regular_grid_is_umeyamas() -> None:
    regular = np.stack(np.meshgrid(*[np.linspace(0, 64, 5) - 0.5] * 2)).reshape(2, -1).T
    for seed in range(200):
        nodes = generator_at(seed, "nodes").normal(50, 20, (2, 5, 5))  # far beyond any warp, mirrored fits included
        expected = similarity(nodes.reshape(2, -1).T, regular)
        np.testing.assert_allclose(to_regular(nodes, 64)[:2], expected, atol=1e-9)


def test_without_displacement_input_and_target_are_the_centred_crop() -> None:
    face = picture(0, 96)
    warp = Warp(coverage=(2 / 3, 2 / 3), sigma=(0, 0))
    result = warped(warp, at("A", 0, "warp"), 64, image=face, input=face)
    assert np.array_equal(result["image"], Alignment(64).region_of(face))
    assert np.array_equal(result["input"], result["image"])


def reference_match(face: Picture, other: Picture, part: float, space: str) -> NDArray[np.float64]:
    """Colour match in floating point, a pixel a time where it matters."""
    to, back = {
        "xyz": (cv2.COLOR_RGB2XYZ, cv2.COLOR_XYZ2RGB),
        "lab": (cv2.COLOR_RGB2LAB, cv2.COLOR_LAB2RGB),
        "rgb": (None, None),
    }[space]
    source, reference = [(p if to is None else cv2.cvtColor(p, to)).astype(float) for p in (face, other)]
    cut = round(60 / 256 * len(face))
    out = np.empty_like(source)
    for channel in range(3):
        own, their = [p[cut:-cut, cut:-cut, channel] for p in (source, reference)]
        mean, deviation = (part * getattr(their, f)() + (1 - part) * getattr(own, f)() for f in ("mean", "std"))
        out[..., channel] = deviation * (source[..., channel] - own.mean()) / (own.std() + 1e-7) + mean
    if space == "lab":
        out = out.clip(0, 255)
    if out.min() < 0:
        out -= out.min()
    if out.max() > 255:
        out *= 255 / out.max()
    return out if back is None else cv2.cvtColor(np.rint(out).astype(np.uint8), back).astype(float)


@pytest.mark.parametrize("space", ["rgb", "xyz", "lab"])
def test_colour_match_against_a_reference(space: str) -> None:
    faces = [picture(i, 96) // 2 + np.uint8(20 * i) for i in range(5)]
    used = set()
    for place in range(12):
        face = picture(50 + place, 96)
        matched = changed(ColourMatch(spaces=[space], p=1.0), at("B", place, "c"), face, faces=faces)
        draw = generator_at(0, "B", place, "c")
        chosen, part = int(draw.integers(5)), draw.uniform()
        used.add(chosen)
        # XYZ rounds once more on the way, and the way back magnifies it by up to 3.2 + 1.5 + 0.5 half levels.
        # LAB likewise, with steep gradients in dark colours.
        tolerance = {"rgb": 0.51, "xyz": 3, "lab": 6}[space]
        assert np.abs(matched - reference_match(face, faces[chosen], part, space)).max() <= tolerance
    assert len(used) > 2


def test_a_face_without_contrast_takes_the_mean_only() -> None:
    flat = np.full((96, 96, 3), 90, np.uint8)
    flat[0, 0] = 200
    matched = changed(ColourMatch(spaces=["rgb"], p=1.0), at("A", 1, "c"), flat, faces=[picture(1, 96)])
    assert np.ptp(matched[1:].reshape(-1, 3), axis=0).max() == 0
    assert (matched[0, 0].astype(int) - matched[5, 5] <= 110).all()


def test_blur_kernels_are_lines_of_sum_one() -> None:
    np.testing.assert_allclose(line(7, 0.0), np.outer(np.arange(7) == 3, np.full(7, 1 / 7)), atol=1e-9)
    np.testing.assert_allclose(line(7, 90.0), line(7, 0.0).T, atol=1e-6)
    for degrees in np.linspace(-180, 180, 25):
        kernel = line(9, degrees)
        assert kernel.sum() == pytest.approx(1)
        assert kernel.min() >= 0
        y, x = np.mgrid[-4:5, -4:5]
        across = x * np.sin(np.radians(degrees)) + y * np.cos(np.radians(degrees))
        assert (kernel * across**2).sum() < 0.6  # pixels off the line weigh little
        assert (kernel * (x**2 + y**2)).sum() > 4  # spread along it: 6.7 for an ideal line of nine


def test_motion_blur_filters_with_its_kernel_and_all_sizes_occur() -> None:
    face, sizes = picture(3, 64, blur=1.0), set()
    for place in range(40):
        blurred = changed(MotionBlur(p=1.0), at("A", place, "b"), face)
        kernel = MotionBlur().drawn(at("A", place, "b").numpy, face, Facts(64))
        sizes.add(len(kernel))
        for channel in range(3):
            wanted = ndimage.correlate(face[..., channel].astype(float), kernel, mode="mirror")
            assert np.abs(blurred[..., channel] - wanted).max() <= 1
    assert sizes == {5, 7, 9, 11}


def test_affine_draws_fill_their_ranges() -> None:
    affine, generators, drawn = Affine(), KeyedGenerators(), []
    for position in range(2000):
        generators.move_to(0, "A", position, "affine")
        matrix = affine.matrix(generators.numpy, 97)
        zoom = np.hypot(matrix[0, 0], matrix[0, 1])
        shift = (matrix @ [48, 48, 1])[:2] - 48  # the centre moves by the shift alone
        drawn.append([np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0])), zoom, *shift / 97])
    low, high = np.min(drawn, 0), np.max(drawn, 0)
    np.testing.assert_allclose(low, [-10, 0.9, -0.05, -0.05], rtol=0.01)
    np.testing.assert_allclose(high, [10, 1.1, 0.05, 0.05], rtol=0.01)


@pytest.mark.parametrize("scope", ["input", "both"])
def test_flip_mirrors_half_of_the_faces(scope: Scope) -> None:
    face, mirrored = picture(0, 48), 0
    for place in range(400):
        result = changed(Flip(scope=scope), at("A", place, "flip"), face)
        mirrored += np.array_equal(result, face[:, ::-1])
        assert np.array_equal(result, face[:, ::-1]) or np.array_equal(result, face)
    assert abs(mirrored - 200) < 40
