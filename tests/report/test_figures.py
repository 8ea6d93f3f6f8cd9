import re

import pytest

from swaplab.report.curves import MOST, thinned
from swaplab.report.document import environment
from swaplab.report.figures import BOTTOM, LEFT, RIGHT, TOP, Figure, Series, compact, round_numbers


def test_values_lie_where_their_axes_say() -> None:
    figure = Figure("f", [Series("a", [0, 50, 100], [1.0, None, 3.0], low=[0, 1, 2], high=[2, 3, 4])], reach=(0, 100))
    drawn = figure.drawn()
    assert drawn.up == pytest.approx((-0.2, 4.2))
    assert (drawn.at_x(0), drawn.at_x(100), drawn.at_y(-0.2), drawn.at_y(4.2)) == (LEFT, RIGHT, BOTTOM, TOP)
    assert [round(x) for x, _ in drawn.points(figure.series[0])] == [LEFT, RIGHT]
    assert drawn.path(figure.series[0]).count("M") == 2  # a gap parts the line
    assert len(re.findall(r"[\d.]+,[\d.]+", drawn.band(figure.series[0]))) == 6
    assert [tick.lines for tick in drawn.y_ticks] == [["0"], ["1"], ["2"], ["3"], ["4"]]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-0.013, 0.021, [-0.01, 0, 0.01, 0.02]),
        (24.31, 24.39, [24.32, 24.34, 24.36, 24.38]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert round_numbers(low, high, 5) == pytest.approx(expected)


def test_ticks_are_short() -> None:
    assert [compact(v) for v in (0, 0.02, 24.32, 12000, 1.5e6, -2e9)] == ["0", "0.02", "24.32", "12k", "1.5M", "-2G"]


@pytest.mark.parametrize("ys", [[], [None, None], [2.0], [0.0, 0.0]])
def test_a_figure_of_nearly_nothing_can_be_drawn(ys: list[float | None]) -> None:
    drawn = Figure("f", [Series("a", list(range(len(ys))), ys, mark=1)]).drawn()
    assert drawn.across[0] < drawn.across[1]
    assert drawn.up[0] < drawn.up[1]
    assert drawn.x_ticks
    assert drawn.y_ticks


def test_a_long_curve_keeps_its_spikes_and_gaps() -> None:
    values: list[float | None] = [0.0] * 10_000
    values[4321], values[8765], values[5000:6000] = 9.0, -9.0, [None] * 1000
    kept = thinned([(float(x), y) for x, y in enumerate(values)])
    assert len(kept) <= MOST
    assert {(4321.0, 9.0), (8765.0, -9.0)} <= set(kept)
    assert any(y is None for _, y in kept)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)


def test_the_script_finds_a_group_for_every_series_that_it_is_told_of() -> None:
    series = [Series("", [0, 1], [0, 1]), Series("a<b", [0, 1], [1, 2], text=["<i>", "2"])]
    place = environment().from_string('{% from "parts.html.j2" import plot with context %}{{ plot("curve") }}')
    text = place.render(figures={"curve": Figure("t", series)})
    groups = re.findall(r'<g data-series="([^"]*)"', text)
    assert groups == ["", "a&lt;b"]
    assert len(Figure("t", series).as_json()["series"]) == 1
