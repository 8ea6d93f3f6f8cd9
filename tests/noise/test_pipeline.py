"""Streams, scopes and composition of the noise pipeline."""

from collections.abc import Callable
from typing import Any

import albumentations
import numpy as np
import pytest

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.noise.adapter import Albumentations
from swaplab.noise.blur import MotionBlur
from swaplab.noise.colour import ColourMatch
from swaplab.noise.generators import KeyedGenerators
from swaplab.noise.geometry import Affine, Flip
from swaplab.noise.operation import Facts, Operation, Picture, Pictures, Scope
from swaplab.noise.pipeline import NoisePipeline
from swaplab.noise.warp import Warp
from swaplab.randomness import generator_at

ALIGNMENT = Alignment(32)


def smooth(seed: int, side: int = ALIGNMENT.stored, channels: int = 3) -> Picture:
    """A picture of a few long waves, on which every interpolation agrees within two levels."""
    draw = generator_at(seed, "smooth")
    y, x = np.mgrid[:side, :side] / side
    waves = [
        np.sin(2 * np.pi * (a * x + b * y + c))
        for a, b, c in draw.uniform([-1.5, -1.5, 0], [1.5, 1.5, 1], (channels, 3))
    ]
    return np.rint(127.5 + 90 * np.stack(waves, -1)).astype(np.uint8)


FACES = [smooth(i) for i in range(6)]

OPERATIONS: dict[str, Callable[[Scope], Operation]] = {
    "affine": lambda scope: Affine(scope=scope),
    "flip": lambda scope: Flip(scope=scope, p=1.0),
    "colour_match": lambda scope: ColourMatch(scope=scope, p=1.0),
    "motion_blur": lambda scope: MotionBlur(scope=scope, p=1.0),
    "warp": lambda scope: Warp(scope=scope),
    "grain": lambda scope: Albumentations(albumentations.GaussNoise(p=1.0), scope),
    "library_blur": lambda scope: Albumentations(
        albumentations.OneOf([albumentations.Blur(p=1.0), albumentations.MedianBlur(p=1.0)], p=1.0), scope
    ),
}


class Recorder:
    """Changes nothing, notes the first draw of both generators."""

    scope: Scope = "both"

    def __init__(self) -> None:
        self.draws: list[tuple[float, float]] = []

    def __call__(self, pictures: Pictures, draws: KeyedGenerators, facts: Facts) -> Pictures:
        self.draws.append((draws.numpy.uniform(), draws.python.random()))
        return pictures


class Copies:
    """Parts input and target, which stay equal."""

    scope: Scope = "input"

    def __init__(self) -> None:
        self.sides: list[tuple[int, ...]] = []

    def __call__(self, pictures: Pictures, draws: KeyedGenerators, facts: Facts) -> Pictures:
        self.sides.append(pictures["image"].shape)
        return {name: picture.copy() for name, picture in pictures.items()}


def run(operations: dict[str, Operation], position: int = 0, **given: Any) -> Any:
    return NoisePipeline(operations, ALIGNMENT, seed=3)("A", position, FACES[0], faces=FACES, **given)


def test_streams_are_those_of_generator_at_wherever_they_were_before() -> None:
    generators = KeyedGenerators()
    seen = set()
    for place in [("A", 5, "warp"), ("A", 5, "flip"), ("A", 5, "warp")]:
        generators.move_to(7, *place)
        drawn = [
            generators.numpy.random(dtype=np.float32),
            generators.numpy.normal(),
            generators.numpy.uniform(),
        ]
        fresh = generator_at(7, *place)
        assert drawn == [fresh.random(dtype=np.float32), fresh.normal(), fresh.uniform()]
        seen.add((generators.python.random(), generators.python.gauss()))
    assert len(seen) == 2


def test_draws_of_two_operations_are_independent() -> None:
    first, second = Recorder(), Recorder()
    pipeline = NoisePipeline({"first": first, "second": second}, ALIGNMENT, seed=0)
    for position in range(10_000):
        pipeline("A", position, FACES[0])
    draws = np.hstack([first.draws, second.draws])  # NumPy and Python draw of each
    assert np.abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.04  # four standard errors
    assert abs(np.corrcoef(draws[1:, 0], draws[:-1, 0])[0, 1]) < 0.04  # neighbouring positions
    assert np.abs(draws.mean(0) - 0.5).max() < 0.012


def test_warp_nodes_do_not_follow_the_affine_angle() -> None:
    affine, warp, generators = Affine(), Warp(), KeyedGenerators()
    angles, nodes = [], []
    for position in range(10_000):
        generators.move_to(0, "A", position, "affine")
        matrix = affine.matrix(generators.numpy, 48)
        angles.append(np.arctan2(matrix[0, 1], matrix[0, 0]))
        generators.move_to(0, "A", position, "warp")
        nodes.append(warp.nodes(generators.numpy, 48, 32).ravel())
    correlation = [np.corrcoef(angles, node)[0, 1] for node in np.array(nodes).T]
    assert np.abs(correlation).max() < 0.05  # five standard errors, the largest of 50


def test_other_operations_leave_the_draws_as_they_are() -> None:
    alone, among = Recorder(), Recorder()
    others = {name: make("both") for name, make in OPERATIONS.items()}
    for position in range(20):
        run({"recorder": alone}, position)
        run({"flip": others["flip"], "recorder": among, **others}, position)
    assert alone.draws == among.draws
    assert len(set(alone.draws)) == 20


def test_removing_an_operation_keeps_the_warp() -> None:
    maps: list[Any] = []

    class Watched(Warp):
        def drawn(self, *given: Any) -> Any:
            maps.append(super().drawn(*given))
            return maps[-1]

    for others in ({}, {"colour_match": ColourMatch()}, {"motion_blur": MotionBlur()}):
        run({**others, "warp": Watched()}, 4)
    assert np.array_equal(maps[0].input, maps[1].input)
    assert np.array_equal(maps[0].input, maps[2].input)


@pytest.mark.parametrize("name", OPERATIONS)
def test_identity_position_and_seed_name_the_noise(name: str) -> None:
    def seen(seed: int, identity: str, position: int) -> bytes:
        operations = {name: OPERATIONS[name]("input")}
        return NoisePipeline(operations, ALIGNMENT, seed)(identity, position, FACES[0], faces=FACES[1:]).input.tobytes()

    assert seen(0, "A", 1) == seen(0, "A", 1)
    if name not in ("flip", "library_blur"):  # these have few outcomes
        assert len({seen(0, "A", 1), seen(1, "A", 1), seen(0, "B", 1), seen(0, "A", 2)}) == 4


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"warp"}))
def test_scope_input_leaves_the_target_bit_for_bit(name: str) -> None:
    masks = smooth(9, channels=4)
    pair = run({name: OPERATIONS[name]("input")}, masks=masks)
    assert np.array_equal(pair.target, ALIGNMENT.region_of(FACES[0]))
    assert np.array_equal(pair.masks, ALIGNMENT.region_of(masks))
    assert not np.array_equal(pair.input, pair.target)


@pytest.mark.parametrize("name", OPERATIONS)
def test_scope_both_uses_the_same_parameters(name: str) -> None:
    together = run({name: OPERATIONS[name]("both")})
    parted = run({"copies": Copies(), name: OPERATIONS[name]("both")})
    assert together.input is together.target
    assert parted.input is not parted.target
    assert np.array_equal(parted.input, parted.target)
    assert np.array_equal(parted.target, together.target)
    assert not np.array_equal(together.target, ALIGNMENT.region_of(FACES[0]))


def test_a_movement_of_the_input_only_stays_with_it_through_the_warp() -> None:
    flip = {"flip": Flip(scope="input", p=1.0), "warp": Warp(scope="both", sigma=(0, 0))}
    pair = run(flip)
    assert np.abs(pair.input.astype(int) - pair.target[:, ::-1]).max() <= 2


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_masks_follow_the_target(channels: int) -> None:
    mask = np.repeat(FACES[0][..., :1], channels, axis=2)
    for last in ("warp", "none"):
        operations = {name: OPERATIONS[name]("both") for name in ("affine", "flip")}
        operations |= {"warp": Warp(scope="input")} if last == "warp" else {}
        pair = run(operations, masks=mask)
        assert pair.masks.shape == (32, 32, channels)
        difference = pair.masks.astype(int) - pair.target[..., :1]
        assert np.abs(difference).max() <= 2  # bilinear against cubic on long waves


@pytest.mark.parametrize("last", ["warp", "cut"])
def test_one_resampling_equals_the_operations_one_after_the_other(last: str) -> None:
    makers: dict[str, Callable[[], Any]] = {"affine": Affine, "flip": lambda: Flip(p=1.0)}
    if last == "warp":
        makers["warp"] = Warp
    for position in range(5):
        pair = run({name: make() for name, make in makers.items()}, position)
        picture = {"image": FACES[0], "input": FACES[0]}
        for name, make in makers.items():
            operation, generators = make(), KeyedGenerators()
            generators.move_to(3, "A", position, name)
            picture = operation(picture, generators, Facts(32))
        expected = [p if last == "warp" else ALIGNMENT.region_of(p) for p in (picture["input"], picture["image"])]
        for actual, wanted in zip(pair[:2], expected, strict=True):
            inside = np.abs(actual.astype(int) - wanted)[3:-3, 3:-3]  # edge pixels are repeated at another time
            assert inside.max() <= 4


def test_no_noise_is_the_face_region() -> None:
    masks = smooth(9, channels=2)
    pair = run({}, masks=masks)
    for picture in pair[:2]:
        assert np.array_equal(picture, ALIGNMENT.region_of(FACES[0]))
    assert np.array_equal(pair.masks, ALIGNMENT.region_of(masks))


def test_operations_after_the_warp_see_the_networks_picture() -> None:
    seen = Copies()
    run({"before": seen, "warp": Warp(), "after": seen})
    assert seen.sides == [(48, 48, 3), (32, 32, 3)]


def test_faces_in_memory_are_never_written_to() -> None:
    face = FACES[0].copy()
    face.flags.writeable = False
    operations = {name: make("both") for name, make in OPERATIONS.items()}
    NoisePipeline(operations, ALIGNMENT, 0)("A", 0, face, faces=[face])


@pytest.mark.parametrize(
    ("operations", "names"),
    [
        (lambda: {"warp": Warp(), "again": Warp()}, "warp, again"),
        (lambda: {"float": Albumentations(albumentations.ToFloat(p=1.0), "input")}, "'float'"),
        (lambda: {"small": Albumentations(albumentations.Resize(16, 16), "both")}, "'small'"),
        (lambda: {"flip": Flip(scope="target")}, "'target'"),  # type: ignore[arg-type]
        (lambda: {"flip": Flip(p=1.5)}, r"probability p .*; got 1.5"),
        (lambda: {"warp": Warp(sigma=[0.2, 0.1])}, r"sigma .*; got \[0.2, 0.1\]"),
        (lambda: {"affine": Affine(zoom=1.0)}, r"zoom .*; got 1.0"),
        (lambda: {"colour": ColourMatch(spaces=["hsv"])}, "hsv"),
        (lambda: {"blur": MotionBlur(sizes=[4])}, r"\[4\]"),
    ],
)
def test_wrong_settings_are_named(operations: Callable[[], dict[str, Operation]], names: str) -> None:
    with pytest.raises(UserError, match=names):
        run(operations())
