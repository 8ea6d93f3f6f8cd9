"""Blur, down-scaling, cutout and occluder, as their config files set them, against slow references."""

import re
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from numpy.typing import NDArray
from scipy import ndimage

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.noise.generators import KeyedGenerators
from swaplab.noise.occluder import Occluder, bar, blob, filled
from swaplab.noise.operation import Facts, Operation, Picture, Pictures, Scope
from swaplab.noise.pipeline import NoisePipeline
from swaplab.randomness import generator_at

NAMES = ("blur", "downscale", "cutout", "occluder", "grain", "jpeg")


def picture(seed: int, side: int, blur: float = 1.5) -> Picture:
    values = ndimage.gaussian_filter(generator_at(seed, "picture").normal(size=(side, side, 3)), (blur, blur, 0))
    return np.rint(255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)


def operation(name: str, **settings: Any) -> Operation:
    """The operation of a config file, made to happen every time."""
    with initialize_config_module("swaplab.conf", version_base="1.3"):
        node = compose(overrides=["+noise=none", f"+noise/op@noise.{name}={name}"]).noise[name]
    where = node.transform if "transform" in node else node
    where.p = 1.0
    node.update({k: v for k, v in settings.items() if k == "scope"})
    where.update({k: v for k, v in settings.items() if k != "scope"})
    built: Operation = instantiate(node)
    return built


def applied(built: Operation, face: Picture, place: int, region: int = 64, **more: Picture) -> Pictures:
    generators = KeyedGenerators()
    generators.move_to(0, "A", place, "op")
    return built({"image": face, **more}, generators, Facts(region))


@pytest.mark.parametrize("name", NAMES)
def test_scope_probability_and_key(name: str) -> None:
    """Input only or both alike; never at p=0; a function of the position alone; many different draws."""
    face = picture(0, 96)
    for scope in ("input", "both"):
        noise = NoisePipeline({name: operation(name, scope=scope)}, Alignment(64), seed=3)
        pairs = [noise("A", position, face) for position in (5, 6, 5, 7)]
        assert np.array_equal(pairs[0].input, pairs[2].input)
        assert not np.array_equal(pairs[0].input, pairs[1].input)
        assert np.array_equal(pairs[0].target, pairs[0].input) is (scope == "both")
        clean = Alignment(64).region_of(face)
        assert np.array_equal(pairs[1].target, clean) is (scope == "input")
    never = NoisePipeline({name: operation(name, p=0.0)}, Alignment(64), seed=3)
    assert np.array_equal(never("A", 5, face).input, Alignment(64).region_of(face))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blur_against_scipy(sigma: float) -> None:
    face = picture(1, 64)
    blurred = applied(operation("blur", sigma_limit=[sigma, sigma]), face, 0)["image"]
    for channel in range(3):
        wanted = ndimage.gaussian_filter(face[..., channel].astype(float), sigma, mode="mirror")
        inside = (slice(8, -8), slice(8, -8))  # the two mirror their edges unequally
        assert np.abs(blurred[..., channel] - wanted)[inside].max() <= 2.5
    wider = applied(operation("blur", sigma_limit=[4.0, 4.0]), face, 0)["image"]
    assert wider.std() < blurred.std() < face.std()


def test_downscale_is_block_means_and_linear_between() -> None:
    face = picture(2, 64, blur=0.7)
    scaled = applied(operation("downscale", scale_range=[0.25, 0.25]), face, 0)["image"]
    means = face.reshape(16, 4, 16, 4, 3).mean((1, 3))
    place = np.clip((np.arange(64) + 0.5) / 4 - 0.5, 0, 15)
    for channel in range(3):
        y, x = np.meshgrid(place, place, indexing="ij")
        wanted = ndimage.map_coordinates(means[..., channel], [y, x], order=1)
        assert np.abs(scaled[..., channel] - wanted).max() <= 1.5


def test_cutout_is_grey_rectangles_of_the_given_sizes() -> None:
    face = np.full((64, 64, 3), 250, np.uint8)
    numbers, places = set(), []
    for place in range(60):
        done = applied(operation("cutout", hole_height_range=[0.25, 0.26], hole_width_range=[0.5, 0.51]), face, place)
        hole = (done["image"] == 127).all(-1)
        assert ((done["image"] == 250).all(-1) | hole).all()
        labels, count = ndimage.label(hole)
        numbers.add(count)
        for rows, columns in ndimage.find_objects(labels):
            if count == 2 or hole.sum() == 16 * 32:
                assert (rows.stop - rows.start, columns.stop - columns.start) == (16, 32)
                places.append((rows.start, columns.start))
    assert numbers == {1, 2}
    assert min(p[0] for p in places) < 8
    assert max(p[0] for p in places) > 40


def supersampled(outline: NDArray[np.float64], side: int, times: int = 8) -> NDArray[np.float64]:
    """Cover of a polygon by counting crossings of a ray at sub-pixel points."""
    points = (np.arange(side * times) + 0.5) / times - 0.5
    x, y = np.meshgrid(points, points)
    inside = np.zeros_like(x, bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, 0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside.reshape(side, times, side, times).mean((1, 3))


@pytest.mark.parametrize("shape", ["blob", "bar"])
def test_shapes_cover_what_their_outline_holds(shape: str) -> None:
    for seed in range(5):
        draw, centre = generator_at(seed, shape), np.array([30.0, 25.0])
        outline = blob(draw, centre, 20.0) if shape == "blob" else bar(draw, centre, 12.0, 48)
        wanted = supersampled(outline, 48)
        error = np.abs(filled(outline, 48)[..., 0] - wanted)
        # OpenCV's soft edge is wider than a pixel's cover and lies outside the outline
        edge = ndimage.binary_dilation(wanted > 0, iterations=2) & ~ndimage.binary_erosion(wanted == 1)
        assert error[~edge].max() < 0.05
        assert error.mean() < 0.05


def test_blob_radii_and_bar_width() -> None:
    centre = np.array([50.0, 60.0])
    for seed in range(50):
        radius = np.linalg.norm(blob(generator_at(seed, "blob"), centre, 10.0) - centre, axis=1)
        assert 2.5 <= radius.min() <= radius.max() <= 7.5
        corners = bar(generator_at(seed, "bar"), centre, 7.0, 64)
        assert np.linalg.norm(corners[1] - corners[2]) == pytest.approx(7.0)
        np.testing.assert_allclose(corners.mean(0), centre, atol=1e-9)


@pytest.mark.parametrize("scope", ["input", "both"])
def test_occluder_replaces_the_picture_and_takes_from_masks(scope: Scope) -> None:
    face, masks = picture(4, 96), np.full((96, 96, 2), 200, np.uint8)
    built = Occluder(scope=scope, p=1.0)
    covered = []
    for place in range(30):
        more = {"mask": masks} if scope == "both" else {}
        done = applied(built, face, place, region=64, **more)
        draws = KeyedGenerators()
        draws.move_to(0, "A", place, "op")
        alpha, colours = (part.astype(float) for part in built.drawn(draws.numpy, face, Facts(64)))
        wanted = (1 - alpha) * face + alpha * colours
        assert np.abs(done["image"] - wanted).max() <= 0.51
        if scope == "both":
            assert np.abs(done["mask"] - (1 - alpha) * 200).max() <= 0.51
        covered.append(alpha[16:80, 16:80].mean())
    assert max(covered) > 0.15
    assert min(covered) < 0.05


def test_masks_follow_a_target_that_is_covered() -> None:
    face, masks = picture(4, 96), np.full((96, 96, 1), 255, np.uint8)
    for scope, changed in (("input", False), ("both", True)):
        noise = NoisePipeline({"occluder": Occluder(scope=scope, p=1.0)}, Alignment(64), seed=0)  # type: ignore[arg-type]
        pairs = [noise("A", i, face, masks) for i in range(8)]
        assert any((pair.masks < 255).any() for pair in pairs if pair.masks is not None) is changed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shapes": ["star"]}, "must list any of blob, bar; got ['star']"),
        ({"shapes": []}, "must list any of blob, bar; got []"),
        ({"extent": [0.0, 0.5]}, "fractions of the face in (0, 1]; got [0.0, 0.5]"),
        ({"extent": [0.5, 0.1]}, "must be a range [low, high] with 0 <= low <= high; got [0.5, 0.1]"),
        ({"p": 1.5}, "must be in [0, 1]; got 1.5"),
        ({"scope": "target"}, "must be input or both; got 'target'"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        Occluder(**settings)
