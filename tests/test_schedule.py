from collections.abc import Callable
from typing import Any

import pytest

from swaplab.config.build import build
from swaplab.errors import UserError
from swaplab.schedule import Constant, Cosine, Linear, Steps, value_at
from swaplab.training.assemble import build_actions


def test_linear_is_flat_then_straight() -> None:
    schedule = Linear(0.5, 0.0)
    assert [schedule(p) for p in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1, 1, 0.5, 0])
    assert [Linear(0.2, 0.1)(p) for p in (0.2, 0.6, 1.0)] == pytest.approx([1, 0.55, 0.1])
    with pytest.raises(UserError, match=r"start=1\.0"):
        Linear(1.0)


def test_cosine_goes_through_the_known_points() -> None:
    schedule = Cosine(end=0.1, warmup=0.2)
    expected = {0.0: 0.0, 0.1: 0.5, 0.2: 1.0, 0.6: 0.55, 1.0: 0.1}
    for progress, value in expected.items():
        assert schedule(progress) == pytest.approx(value)


def test_numbers_and_schedules_are_read_alike() -> None:
    assert value_at(0.3, 0.9) == 0.3
    assert value_at(Constant(2.0), 0.9) == 2.0
    assert value_at(Cosine(), 1.0) == pytest.approx(0.0)


def test_steps_change_at_their_points_exactly() -> None:
    steps = Steps(at=[0, 7850, 26516], values=[1, 2, 3], of=40_000)
    images = 32  # of one step
    for step, value in ((0, 1), (7849, 1), (7850, 2), (26515, 2), (26516, 3), (40_000, 3)):
        assert steps(step * images / (40_000 * images)) == value


@pytest.mark.parametrize(
    ("at", "values", "message"),
    [
        ([0, 0.5], [1], "be as long as values"),
        ([0.1, 0.5], [1, 2], "must start at 0"),
        ([0, 0.5, 0.5], [1, 2, 3], "ascending"),
        ([0, 1.5], [1, 2], r"in \[0, 1\]"),
        ([], [], "ascending"),
    ],
)
def test_steps_that_mean_nothing_are_refused(at: list[float], values: list[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Steps(at=at, values=values)


# faceswap-GAN v2.2, training notebook: iteration -> perceptual, L1 on the mask, margin of the hinge, lr factor
V22 = {
    0: (0, True, None, 1.0),
    7_850: (1, True, None, 1.0),
    11_850: (1, False, 0.5, 1.0),
    15_850: (1, False, 0.2, 1.0),
    19_850: (1, False, 0.4, 1.0),
    26_516: (1, True, None, 0.3),
    31_850: (1, False, 0.1, 0.3),
    35_850: (1, True, None, 0.1),
}
COLAB = {
    0: (0, True, None, 1.0),
    34_000 // 5 - 150: (1, True, None, 1.0),
    34_000 // 5 + 34_000 // 10 - 150: (1, False, 0.5, 1.0),
    2 * 34_000 // 5 - 150: (1, False, 0.2, 1.0),
    34_000 // 2 - 150: (1, False, 0.4, 0.3),
    2 * 34_000 // 3 - 150: (1, False, 0.5, 1.0),
    8 * 34_000 // 10 - 150: (1, False, 0.1, 0.3),
    9 * 34_000 // 10 - 150: (1, True, None, 0.1),
}


@pytest.mark.parametrize(
    ("name", "total", "phases", "swap"),
    [("faceswap_gan_v22", 40_000, V22, 31_850), ("faceswap_gan_colab", 34_000, COLAB, 2 * 34_000 // 3 - 150)],
)
def test_the_schedules_of_the_notebooks(
    compose: Callable[[list[str]], dict[str, Any]],
    name: str,
    total: int,
    phases: dict[int, tuple[int, bool, float | None, float]],
    swap: int,
) -> None:
    config = compose(["data=facesets", f"schedule={name}"])
    rate = build(config["schedule"], "schedule")
    terms = {key: build(node, f"phases.{key}") for key, node in config["phases"].items()}
    starts = sorted(phases)
    for start, end in zip(starts, [*starts[1:], total + 1], strict=True):
        perceptual, size, margin, factor = phases[start]
        for iteration in (start, end - 1):
            at = min(1.0, iteration / total)
            assert rate(at) == factor
            assert terms["perceptual"](at) == perceptual
            assert terms["mask_size"](at) == (0.01 if size else 0)
            assert terms["mask_hinge"](at) == (0 if margin is None else 0.1)
            if margin is not None:
                assert terms["mask_margin"](at) == margin
    actions = build_actions(config)
    assert actions["swap_decoders"].points == (swap / total,)
    assert actions["reset_moments"].points == tuple(start / total for start in starts[1:])
