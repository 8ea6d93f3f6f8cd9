"""The picture of a verdict: dots, interval, margin and 0 on one axis."""

import pytest

from swaplab.report.forest import forest
from swaplab.runs.verdict import Pairs, judge

SEEDS = {1: 0.02, 2: 0.04, 3: 0.03, 4: 0.05, 5: 0.03, 6: 0.04}


def test_every_number_lies_where_the_axis_has_it() -> None:
    judged = judge(
        [Pairs("group", SEEDS), Pairs("batch", {s: -d for s, d in SEEDS.items()}, diverged=(7,))], "equal", 0.1
    )
    found = forest("score", "none", judged, 0.1)
    assert found.margin is not None
    low, high = found.margin  # -0.1 and 0.1: the ends of the axis
    assert found.zero == pytest.approx((low + high) / 2)

    def value(at: float) -> float:
        return -0.1 + 0.2 * (at - low) / (high - low)

    for row, sign in zip(found.rows, (1, -1), strict=True):
        assert [value(dot.x) for dot in row.dots] == pytest.approx([sign * d for d in SEEDS.values()], abs=1e-4)
    group, batch = found.rows
    assert group.bar is not None
    assert group.mean is not None
    assert value(group.mean) == pytest.approx(0.035, abs=1e-4)
    assert [value(end) for end in group.bar] == pytest.approx([judged[0].low, judged[0].high], abs=1e-4)
    assert [value(at) for at, _ in found.ticks] == pytest.approx([float(text) for _, text in found.ticks], abs=1e-4)
    assert (group.label, group.verdict, group.lost, batch.lost) == ("group − none", "supported", "", "1 diverged")
    assert group.dots[0].text == "seed 1: +0.020"
    assert len({dot.y for dot in group.dots}) == 6  # equal differences lie apart


def test_comparisons_without_numbers_still_have_a_line() -> None:
    judged = judge([Pairs("group", {}, missing=(1, 2))], "higher")
    found = forest("score", "none", judged, None)
    assert (found.rows[0].dots, found.rows[0].mean, found.rows[0].bar, found.margin) == ([], None, None, None)
    assert found.rows[0].text == "no difference available"
    assert found.rows[0].lost == "2 missing"
    assert 0 < found.zero < 100
