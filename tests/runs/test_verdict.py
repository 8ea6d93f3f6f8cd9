from dataclasses import replace

import numpy as np
import pytest

from swaplab.randomness import generator_at
from swaplab.runs.statistics import paired_interval, t_test
from swaplab.runs.verdict import Direction, Pairs, judge, overall

UP = (0.05, 0.04, 0.06, 0.05, 0.03, 0.055)


def pairs(values: tuple[float, ...], level: str = "group", **lost: tuple[int, ...]) -> Pairs:
    return Pairs(level, dict(enumerate(values, 1)), **lost)


@pytest.mark.parametrize(
    ("values", "direction", "verdict"),
    [
        (UP, "higher", "supported"),
        (UP, "lower", "refuted"),
        (UP, "different", "supported"),
        ((0.1, -0.1, 0.05, -0.04, 0.02, 0.01), "higher", "undecided"),
        ((0.1, -0.1, 0.05, -0.04, 0.02, 0.01), "different", "undecided"),
        ((0.001, -0.001, 0.002, 0.0, -0.002, 0.001), "equal", "supported"),
        (UP, "equal", "refuted"),
        ((0.1, -0.1, 0.05, -0.04, 0.02, 0.01), "equal", "undecided"),
    ],
)
def test_verdicts_of_one_comparison(values: tuple[float, ...], direction: str, verdict: str) -> None:
    margin = 0.02 if direction == "equal" else None
    (found,) = judge([pairs(values)], direction, margin)  # type: ignore[arg-type]
    assert found.verdict == verdict
    assert found.reasons == ()
    low, high = paired_interval(values)
    assert (found.low, found.high) == (low, high)
    assert found.corrected == found.p


def test_equality_is_refuted_only_by_an_interval_wholly_outside_the_margin() -> None:
    values = (0.030, 0.012, 0.028, 0.035, 0.015, 0.033)  # surely above 0, its interval across the margin
    (found,) = judge([pairs(values)], "equal", 0.02)
    assert found.low is not None
    assert 0 < found.low < 0.02
    assert found.verdict == "undecided"


def test_too_few_seeds_are_refused_with_the_number_needed() -> None:
    (found,) = judge([pairs(UP[:5])], "higher")
    assert found.verdict == "undecided"
    assert found.reasons == (
        "5 pairs of seeds are too few: the smallest possible p of the exact test is 0.0625, not below 0.05; "
        "6 seeds are enough",
    )
    family = [pairs(UP, name) for name in ("none", "group", "instance", "sync")]
    assert {each.verdict for each in judge(family, "higher")} == {"undecided"}
    assert "corrected for 4 comparisons, is 0.125, not below 0.05; 8 seeds are" in judge(family, "higher")[0].reasons[0]
    (found,) = judge([pairs((0.1,))], "higher")
    assert (found.verdict, found.mean, found.low) == ("undecided", 0.1, None)


def test_a_family_is_corrected_together() -> None:
    strong, weak = UP + UP[:2], (0.05, 0.04, -0.02, 0.06, 0.01, 0.03, -0.01, 0.05)
    assert 0.025 / 2 < t_test(weak) < 0.05  # significant if tested alone
    alone, both = (
        judge([pairs(weak)], "higher"),
        judge([pairs(weak, "a"), pairs(strong, "b"), pairs(weak, "c")], "higher"),
    )
    assert alone[0].verdict == "supported"
    assert [each.verdict for each in both] == ["undecided", "supported", "undecided"]
    assert both[1].corrected == pytest.approx(3 * float(t_test(strong)))
    low, high = paired_interval(strong, 0.05 / 3)
    assert (both[1].low, both[1].high) == (low, high)
    assert overall(both) == "undecided"
    assert overall(both[1:2]) == "supported"
    assert overall(judge([pairs(strong, "a"), pairs(tuple(-x for x in strong), "b")], "higher")) == "refuted"


def test_a_run_that_is_not_there_leaves_the_question_open() -> None:
    (found,) = judge([pairs(UP * 2, missing=(13,))], "higher")
    assert found.verdict == "undecided"
    assert found.reasons == ("runs are missing or not measured: seed 13",)


def test_a_diverged_pair_counts_against_the_verdict() -> None:
    (found,) = judge([pairs(UP, diverged=(7,))], "higher")  # 6 of 7 signs: p = 0.125
    assert found.verdict == "undecided"
    assert "a run diverged at seed 7: the interval excludes these pairs" in found.reasons[0]
    assert "6 of 7 signs agree (sign test, p = 0.125)" in found.reasons[0]
    (found,) = judge([pairs(UP * 2, diverged=(13,))], "higher")  # 12 of 13: p = 0.0034
    assert found.verdict == "supported"
    assert "12 of 13 signs agree (sign test, p = 0.00342)" in found.reasons[0]
    (found,) = judge([pairs(UP * 2, diverged=(13,))], "equal", margin=1.0)
    assert found.verdict == "undecided"


def test_a_verdict_that_leans_on_normality_says_so() -> None:
    values = (0.05, 0.04, 0.06, 0.05, 0.045, -0.001)
    assert t_test(values) < 0.05
    (found,) = judge([pairs(values)], "higher")
    assert found.verdict == "supported"
    assert found.check == pytest.approx(4 / 64)
    assert found.reasons == (
        "the exact check does not reach 0.05 (p = 0.0625): the verdict relies on normal differences",
    )


def test_false_verdicts_are_as_rare_as_said() -> None:
    draw = generator_at(8, "null")
    families = draw.normal(0, 1, size=(300, 3, 8))
    wrong = 0
    for family in families:
        found = judge([pairs(tuple(values), str(i)) for i, values in enumerate(family)], "higher")
        wrong += any(each.verdict != "undecided" for each in found)
    assert wrong / len(families) < 0.09
    at_margin = draw.normal(1, 1, size=(600, 8))
    wrong = sum(judge([pairs(tuple(values))], "equal", 1.0)[0].verdict == "supported" for values in at_margin)
    assert 0.03 < wrong / 600 < 0.07
    assert np.mean([judge([pairs(tuple(v))], "higher")[0].verdict == "refuted" for v in families[:, 0]]) < 0.04


@pytest.mark.parametrize("direction", ["higher", "lower", "equal", "different"])
@pytest.mark.parametrize("values", [(0.0,) * 6, (0.3,) * 6, (1e-9, 0.0, -1e-9, 2e-9, 0.0, 0.0)])
def test_without_a_spread_nothing_is_decided(values: tuple[float, ...], direction: Direction) -> None:
    flat = replace(pairs(values), rounding=1e-7)
    (found,) = judge([flat], direction, 0.5 if direction == "equal" else None)
    assert found.verdict == "undecided"
    assert (found.p, found.corrected, found.check, found.low) == (None,) * 4
    assert "without spread there is no test" in found.reasons[0]
    # a level without spread does not affect the others
    apart, _ = judge([pairs(tuple(0.5 + 0.01 * i for i in range(8)), "b"), flat], "higher")
    assert apart.verdict == "supported"


@pytest.mark.parametrize(
    ("value", "direction", "verdict"),
    [
        (2.0, "higher", "supported"),
        (2.0, "lower", "refuted"),
        (0.0, "higher", "undecided"),
        (2.0, "equal", "refuted"),
        (0.25, "equal", "supported"),
    ],
)
def test_what_is_counted_is_compared(value: float, direction: Direction, verdict: str) -> None:
    margin = 0.5 if direction == "equal" else None
    (found,) = judge([pairs((value,) * 3)], direction, margin, counted=True)
    assert (found.verdict, found.mean, found.p) == (verdict, value, None)
    assert found.reasons[0].startswith("counted, not sampled")
    (lost,) = judge([pairs((value,) * 3, missing=(4,))], direction, margin, counted=True)
    assert lost.verdict == "undecided"
