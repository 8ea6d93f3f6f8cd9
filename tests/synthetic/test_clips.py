from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from swaplab.synthetic.clips import Clip
from swaplab.synthetic.mesh import head
from swaplab.synthetic.profile import Corruption, Count, IdentityProfile
from swaplab.synthetic.states import FrameState

EASY = IdentityProfile(clips=Count(3, 2, 2), images=Count(6, 3, 4), rate=Count(2.5, 0.8, 0.8))
HARD = replace(EASY, yaw_range=35.0, light=1.0, background=1.0, p_beard=0.5, p_glasses=0.5, p_occluder=0.5)


def clips(profile: IdentityProfile, count: int = 40, identity: str = "A", split: str = "train") -> list[Clip]:
    return [Clip(0, identity, split, index, profile) for index in range(count)]


def states(profile: IdentityProfile, count: int = 40) -> list[FrameState]:
    return [clip.state(time) for clip in clips(profile, count) for time in (0.3, 1.7)]


def test_a_state_is_a_function_of_its_coordinates_alone() -> None:
    clip = clips(HARD)[3]
    late = clip.state(7.25)
    [clip.state(t / 10) for t in range(30)]
    assert clip.state(7.25) == late == Clip(0, "A", "train", 3, HARD).state(7.25)
    others = [Clip(1, "A", "train", 3, HARD), Clip(0, "B", "train", 3, HARD), Clip(0, "A", "val", 3, HARD)]
    assert all(other.state(7.25).yaw != late.yaw for other in others)


def test_motion_is_smooth() -> None:
    step = 1 / 50
    for clip in clips(HARD, 4):
        film = [clip.state(k * step) for k in range(200)]
        for before, after in pairwise(film):
            assert abs(after.yaw - before.yaw) < 0.08 * HARD.yaw_range
            assert abs(after.pitch - before.pitch) < 1
            assert np.abs(np.subtract(after.gaze, before.gaze)).max() < 0.12
            assert np.abs(np.subtract(after.camera.shift, before.camera.shift)).max() < 0.002
            for unit in head().units:
                change = abs(after.expression.get(unit, 0) - before.expression.get(unit, 0))
                assert change < (0.25 if unit.startswith("eyeBlink") else 0.15), unit
            assert (after.light, after.background, after.glasses) == (before.light, before.background, before.glasses)


def test_mouths_speak_eyes_blink_and_heads_turn() -> None:
    jaws, blinks, turns = [], [], []
    for clip in clips(EASY, 10):
        film = [clip.state(k / 25) for k in range(150)]
        jaw = np.array([s.expression.get("jawOpen", 0.0) for s in film])
        jaws.append(int((np.diff(np.sign(np.diff(jaw))) < 0).sum()))
        closed = np.array([s.expression.get("eyeBlinkLeft", 0.0) > 0.9 for s in film])
        blinks.append(int((np.diff(closed.astype(int)) > 0).sum()))
        turns.append(np.ptp([s.yaw for s in film]))
    assert np.mean(jaws) > 3  # openings in six seconds
    assert min(blinks) >= 2
    assert np.mean(turns) > EASY.yaw_range


def test_expressions_are_diverse_and_legal() -> None:
    seen = states(EASY, 60)
    used = {unit for s in seen for unit, weight in s.expression.items() if weight > 0.5}
    assert len(used) >= 20
    assert all(0 <= weight <= 1 for s in seen for weight in s.expression.values())


def test_no_parameter_is_shared_between_identities_or_splits() -> None:
    drawn: dict[float, tuple[str, str]] = {}
    for identity in ("A", "B"):
        for split in ("train", "val", "test"):
            for clip in clips(EASY, 8, identity, split):
                for time in clip.times():
                    state = clip.state(time)
                    for value in (state.yaw, state.pitch, state.camera.zoom, float(state.camera.noise_seed)):
                        assert drawn.setdefault(value, (identity, split)) == (identity, split)


def test_times_are_as_far_apart_as_the_rate_says() -> None:
    clip = Clip(0, "A", "test", 0, EASY)
    times = clip.times()
    assert len(times) == 4
    np.testing.assert_allclose(np.diff(times), 1.25, atol=1e-9)
    assert min(np.diff(times)) >= 1


def test_yaw_follows_its_range_and_shape() -> None:
    def yaws(shape: str) -> np.ndarray:
        profile = replace(EASY, yaw_range=30.0, yaw_shape=shape)
        # between keyframes values are mixtures; at a keyframe they are the draws themselves
        return np.array([abs(c._yaw(c._draw("yaw", k))) for c in clips(profile) for k in range(10)])

    assert np.abs(yaws("uniform").mean() - 15) < 1.5
    assert yaws("normal").mean() < 13
    assert 15 <= yaws("sides").min() <= yaws("sides").max() <= 30
    narrow = [abs(s.yaw) for s in states(replace(EASY, yaw_range=5.0))]
    assert 3 < max(narrow) <= 5


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"yaw_range": 10.0}, "yaw"),
        ({"yaw_shape": "sides"}, "yaw"),
        ({"pitch_range": 3.0}, "pitch"),
        ({"roll_range": 3.0}, "roll"),
        ({"expression": 0.5}, "expression"),
        ({"light": 0.2}, "light"),
        ({"background": 0.3}, "background"),
        ({"p_beard": 1.0}, "beard"),
        ({"p_glasses": 1.0}, "glasses"),
        ({"p_occluder": 1.0}, "occluder"),
        ({"beautify": 0.7}, "beautify"),
    ],
)
def test_a_setting_moves_its_own_parameter_and_no_other(change: dict, moved: str) -> None:
    pairs = list(zip(states(HARD), states(replace(HARD, **change)), strict=True))
    for field in fields(FrameState):
        same = all(getattr(a, field.name) == getattr(b, field.name) for a, b in pairs)
        assert same == (field.name != moved), field.name


def test_corruption_moves_no_parameter() -> None:
    spoiled = replace(HARD, corruption=Corruption(blur=1.0, duplicate=0.5))
    assert states(HARD) == states(spoiled)


@pytest.mark.parametrize(("setting", "shown"), [("beard", "beard"), ("glasses", "glasses"), ("occluder", "occluder")])
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probabilities_are_shares_of_clips(setting: str, shown: str, probability: float) -> None:
    made = clips(replace(EASY, **{f"p_{setting}": probability}), 300)
    share = np.mean([bool(getattr(clip.state(0.5), shown)) for clip in made])
    assert abs(share - probability) < 0.08
    if probability in (0.0, 1.0):
        assert share == probability
