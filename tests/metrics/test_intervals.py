import numpy as np
import pytest

from swaplab.metrics.intervals import clip_interval, clip_means


def clips_of(count: int, frames: int) -> list[str]:
    return [f"clip{i // frames}" for i in range(count * frames)]


def values(count: int, frames: int, between: float, within: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.repeat(rng.normal(5, between, count), frames) + rng.normal(0, within, count * frames)


def test_interval_contains_the_mean_and_grows_with_the_spread_between_clips() -> None:
    clips = clips_of(20, 10)
    widths = []
    for between in (0.1, 1.0):
        frames = values(20, 10, between, 0.1)
        low, high = clip_interval(frames, clips, seed=0)  # type: ignore[misc]
        assert low < frames.mean() < high
        widths.append(high - low)
    assert widths[1] > 5 * widths[0]


def test_width_is_that_of_clips_not_of_frames() -> None:
    frames, clips = values(20, 50, 1.0, 0.0), clips_of(20, 50)
    low, high = clip_interval(frames, clips, seed=0)  # type: ignore[misc]
    standard_error = np.std(frames[::50], ddof=1) / np.sqrt(20)
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)


def test_same_seed_same_interval() -> None:
    frames, clips = values(8, 3, 1.0, 0.5), clips_of(8, 3)
    assert clip_interval(frames, clips, 1) == clip_interval(frames, clips, 1)
    assert clip_interval(frames, clips, 1) != clip_interval(frames, clips, 2)


def test_ratio_of_means_where_all_clips_agree_is_a_point() -> None:
    clips = clips_of(5, 4)
    below = values(5, 4, 1.0, 0.5)
    assert clip_interval(0.3 * below, clips, 0, over=below) == pytest.approx((0.3, 0.3))
    assert clip_interval(np.ones(20), clips, 0) == (1, 1)


def test_one_clip_has_no_interval() -> None:
    assert clip_interval(np.arange(5.0), ["only"] * 5, 0) is None


def test_means_of_unequal_clips_in_order_of_appearance() -> None:
    assert clip_means(np.array([1.0, 5.0, 3.0]), ["b", "a", "b"]) == {"b": 2.0, "a": 5.0}
