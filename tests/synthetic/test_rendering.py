from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import Rendering, render, true_swap
from swaplab.synthetic.states import Background, Camera, FrameState, Light, Occluder

SIZE = 96
FACE, EYES, MOUTH, OCCLUDER = range(4)
PLAIN = FrameState()
BUSY = FrameState(
    {"jawOpen": 0.4, "mouthSmileLeft": 0.6},
    yaw=18.0,
    pitch=5.0,
    roll=-6.0,
    gaze=(0.2, -0.1),
    light=Light((0.8, 0.2, 1.0), 0.4, 0.7, (1.05, 0.95, 0.9)),
    background=Background(variation=1.0, seed=5),
    glasses="square",
    occluder=Occluder("hand", (0.65, 0.75), 0.15),
)


@lru_cache
def shot(name: str = "A", **change: object) -> Rendering:
    return render(person(name), replace(PLAIN, **change), SIZE)


def changed(**change: object) -> Rendering:
    return render(person("A"), replace(PLAIN, **change), SIZE)


def area(rendering: Rendering, channel: int) -> float:
    return float(rendering.masks[..., channel].sum() / 255)


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_same_arguments_give_the_same_bytes(name: str) -> None:
    first, second = (render(person(name), BUSY, SIZE) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.masks.tobytes() == second.masks.tobytes()
    assert first.landmarks.tobytes() == second.landmarks.tobytes()


def test_the_true_swap_to_oneself_is_the_frame() -> None:
    frame, swap = render(person("A"), BUSY, SIZE), true_swap(BUSY, person("A"), SIZE)
    assert np.array_equal(frame.image, swap.image)
    assert np.array_equal(frame.masks, swap.masks)


def test_a_true_swap_shares_background_light_and_noise() -> None:
    frame, swap = render(person("A"), BUSY, SIZE), true_swap(BUSY, person("B"), SIZE)
    assert np.array_equal(frame.image[:10, :6], swap.image[:10, :6])
    covered = (frame.masks[..., OCCLUDER] == 255) & (swap.masks[..., OCCLUDER] == 255)
    hand = covered & (np.arange(SIZE)[:, None] > 0.75 * SIZE)
    assert hand.sum() > 50
    assert np.array_equal(frame.image[hand], swap.image[hand])
    both = (frame.masks[..., FACE] > 250) & (swap.masks[..., FACE] > 250)
    assert np.abs(frame.image[both].astype(float) - swap.image[both]).mean() > 8


def test_a_swap_shaves() -> None:
    bearded, clean = replace(PLAIN, beard=0.9), PLAIN
    assert np.array_equal(true_swap(bearded, person("A"), SIZE).image, render(person("A"), clean, SIZE).image)
    chin = slice(62, 70), slice(42, 54)
    assert changed(beard=0.9).image[chin].mean() < shot().image[chin].mean() - 20


@pytest.mark.parametrize("name", ["A", "B"])
@pytest.mark.parametrize("yaw", [-24.0, 0.0, 24.0])
def test_masks_and_landmarks_agree(name: str, yaw: float) -> None:
    rendering = shot(name, yaw=yaw)
    face = cv2.dilate(rendering.masks[..., FACE], np.ones((5, 5), np.uint8)) > 127
    column, row = rendering.landmarks.round().astype(int).T
    assert face[row, column].sum() >= 60
    assert 0.06 < area(rendering, FACE) / SIZE**2 < 0.30
    for channel, points in ((EYES, range(36, 48)), (MOUTH, range(48, 68))):
        inside = rendering.masks[..., channel] > 127
        assert inside.sum() >= 10
        centre = np.argwhere(inside).mean(0)[::-1]
        assert np.linalg.norm(centre - rendering.landmarks[points].mean(0)) < 3
        assert (rendering.masks[..., FACE][inside] > 100).all()
    assert area(rendering, OCCLUDER) == 0
    for point, side in ((36, -1), (45, 1)):
        assert side * (rendering.landmarks[point, 0] - rendering.landmarks[27, 0]) > 0


def test_angles_turn_the_head_the_stated_way() -> None:
    nose = 30
    rest = shot().landmarks
    assert changed(yaw=20.0).landmarks[nose, 0] > rest[nose, 0] + 2
    assert changed(pitch=10.0).landmarks[nose, 1] > rest[nose, 1] + 1
    eyes = changed(roll=10.0).landmarks
    assert eyes[36:42, 1].mean() > eyes[42:48, 1].mean() + 2  # counter-clockwise: the left eye in the image is lower


def test_expressions_show_in_landmarks_and_masks() -> None:
    def gap(rendering: Rendering) -> float:
        return float(rendering.landmarks[66, 1] - rendering.landmarks[62, 1])

    assert gap(changed(expression={"jawOpen": 0.7})) > gap(shot()) + 5
    blink = changed(expression={"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    assert area(blink, EYES) < 0.2 * area(shot(), EYES)


def test_gaze_moves_the_dark_of_the_eyes() -> None:
    def dark(rendering: Rendering) -> float:
        inside = rendering.masks[..., EYES] > 127
        weight = (255.0 - rendering.image.mean(-1)) * inside
        return float((weight * np.arange(SIZE)).sum() / weight.sum())

    assert dark(changed(gaze=(0.35, 0.0))) > dark(changed(gaze=(-0.35, 0.0))) + 0.5


def test_light_falls_from_its_direction() -> None:
    def left_minus_right(direction: tuple[float, float, float]) -> float:
        rendering = changed(light=Light(direction))
        skin = np.where(rendering.masks[..., :1] > 250, rendering.image, np.nan)
        middle = round(float(rendering.landmarks[27, 0]))
        return float(np.nanmean(skin[:, :middle]) - np.nanmean(skin[:, middle:]))

    assert left_minus_right((-1.0, 0.3, 1.0)) > 10
    assert left_minus_right((1.0, 0.3, 1.0)) < -10


@pytest.mark.parametrize("kind", ["hand", "bar", "microphone"])
def test_occluders_take_their_share_of_the_face(kind: str) -> None:
    hidden = changed(occluder=Occluder(kind, (0.5, 0.65), 0.2))
    plain = shot()
    assert area(hidden, OCCLUDER) > 100
    total = hidden.masks[..., FACE].astype(int) + hidden.masks[..., OCCLUDER]
    assert total.max() <= 256
    away = hidden.masks[..., OCCLUDER] == 0
    assert np.array_equal(hidden.image[away], plain.image[away])
    assert np.array_equal(hidden.masks[away], plain.masks[away])


@pytest.mark.parametrize("kind", ["round", "square"])
def test_glasses_are_an_occluder_around_the_eyes(kind: str) -> None:
    worn = changed(glasses=kind)
    assert 20 < area(worn, OCCLUDER) < 400
    frame = np.argwhere(worn.masks[..., OCCLUDER] > 127)[:, ::-1]
    assert np.linalg.norm(frame.mean(0) - worn.landmarks[36:48].mean(0)) < 6
    assert np.abs(worn.image.astype(int) - shot().image).max() > 60


def test_beautify_smooths_skin_and_leaves_masks() -> None:
    still = Camera(noise=0.0)
    smooth, plain = changed(beautify=1.0, camera=still), changed(camera=still)
    skin = plain.masks[..., FACE] - plain.masks[..., EYES].astype(int) - plain.masks[..., MOUTH]
    cheeks = cv2.erode((skin > 250).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    detail = [np.abs(cv2.Laplacian(r.image, cv2.CV_32F)[cheeks]).mean() for r in (smooth, plain)]
    assert detail[0] < 0.8 * detail[1]
    assert np.array_equal(smooth.masks, plain.masks)


def test_a_larger_frame_shows_the_same_face() -> None:
    small, large = render(person("B"), BUSY, 64), render(person("B"), BUSY, 128)
    np.testing.assert_allclose(small.landmarks, (large.landmarks + 0.5) / 2 - 0.5, atol=1e-3)
    shrunk = cv2.resize(large.image, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(float) - small.image).mean() < 4
