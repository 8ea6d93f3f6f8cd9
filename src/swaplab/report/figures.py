"""Figures as inline SVG: what they hold, and where in the picture it lies. ``parts.html.j2`` prints them, ``report.js``
adds what pointing at them says.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The axes in a picture of 440 x 250 units. Text is drawn in the same units, so all figures are of one size.
LEFT, RIGHT, TOP, BOTTOM = 58, 430, 10, 204
MARGIN = 0.05  # of the range of the values, above and below them
LABEL = 18  # longest name of a tick, in characters


@dataclass(frozen=True)
class Series:
    """Values over x, joined by a line unless ``line`` is false.

    ``y``, ``low``, ``high``: None where there is no number, which leaves a gap. ``low`` and ``high`` are a band around
    a line, and bars where there is none. ``colour``: of CSS; ``dash``: of SVG (``5 3``); ``mark``: radius of points,
    0 for none. ``text``: for each point, what pointing at it says in place of its value. A series without a name is
    drawn only: no legend names it, and pointing at it says nothing.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: str = "var(--ink)"
    dash: str = ""
    width: float = 1.8
    line: bool = True
    mark: float = 0.0
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    text: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """``x`` and ``y`` name the axes. ``ticks``: names of places on an x axis that has no numbers.

    ``reach``: both ends of the x axis; those of the values if None. ``alone``: pointing names the nearest point rather
    than every series at one x. ``legend``: whether the figure names its series itself.
    """

    title: str
    series: Sequence[Series]
    x: str = ""
    y: str = ""
    ticks: Mapping[float, str] | None = None
    reach: tuple[float, float] | None = None
    alone: bool = False
    legend: bool = True

    @property
    def named(self) -> list[Series]:
        """The series that a legend names."""
        return [series for series in self.series if series.name]

    def drawn(self) -> "Drawing":
        """The figure in the picture's units."""
        return Drawing(self)

    def as_json(self) -> dict[str, Any]:
        """What pointing needs to know: both axes and the values."""
        axes = self.drawn()
        series = [{"name": s.name, "x": [*s.x], "y": [*s.y], "text": [*s.text]} for s in self.named]
        return {"title": self.title, "x": axes.across, "y": axes.up, "alone": self.alone, "series": series} | {
            "box": [LEFT, TOP, RIGHT, BOTTOM],
            "ticks": {f"{place:g}": name for place, name in (self.ticks or {}).items()},
        }


@dataclass(frozen=True)
class Tick:
    """``at``: where on its axis, in the picture's units; ``lines``: its name."""

    at: float
    lines: list[str]


class Drawing:
    """A figure's axes and paths. ``across`` and ``up``: the values at both ends of the axes."""

    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        xs = [x for series in figure.series for x in series.x]
        self.across = figure.reach or _reach(xs, 0.0)
        bands = (values for s in figure.series for values in (s.y, s.low, s.high))
        self.up = _reach([y for values in bands for y in values if y is not None], MARGIN)

    def at_x(self, x: float) -> float:
        """Where a value of x lies."""
        return _place(x, self.across, LEFT, RIGHT)

    def at_y(self, y: float) -> float:
        """Where a value of y lies; the picture's y points down."""
        return _place(y, self.up, BOTTOM, TOP)

    @property
    def x_ticks(self) -> list[Tick]:
        """Names of places, or round numbers."""
        if self.figure.ticks is None:
            return [Tick(self.at_x(v), [compact(v)]) for v in round_numbers(*self.across, 5)]
        named = [(at, name.split("\n")) for at, name in self.figure.ticks.items()]
        return [Tick(self.at_x(at), [_shortened(line) for line in lines]) for at, lines in named]

    @property
    def y_ticks(self) -> list[Tick]:
        """Round numbers."""
        return [Tick(self.at_y(v), [compact(v)]) for v in round_numbers(*self.up, 5)]

    def path(self, series: Series) -> str:
        """The line, with its gaps."""
        return " ".join(_polyline(run) for run in self._runs(series.x, series.y))

    def points(self, series: Series) -> list[tuple[float, float]]:
        """Centres of the points."""
        return [point for run in self._runs(series.x, series.y) for point in run]

    def band(self, series: Series) -> str:
        """The outline of the band around a line: along its upper edge and back along its lower one."""
        edges = zip(series.x, series.low, series.high, strict=True) if series.low else ()
        known = [(x, low, high) for x, low, high in edges if low is not None and high is not None]
        there = [(self.at_x(x), self.at_y(high)) for x, _, high in known]
        back = [(self.at_x(x), self.at_y(low)) for x, low, _ in reversed(known)]
        return f"{_polyline(there + back)}Z" if known else ""

    def bars(self, series: Series) -> list[tuple[float, float, float]]:
        """x, lower and upper end of each bar."""
        ends = zip(series.x, series.low, series.high, strict=True) if series.low else ()
        return [
            (self.at_x(x), self.at_y(low), self.at_y(high))
            for x, low, high in ends
            if low is not None and high is not None
        ]

    def _runs(self, xs: Sequence[float], ys: Sequence[float | None]) -> Iterator[list[tuple[float, float]]]:
        """Stretches without a gap."""
        run: list[tuple[float, float]] = []
        for x, y in zip(xs, ys, strict=True):
            if y is not None:
                run.append((self.at_x(x), self.at_y(y)))
            elif run:
                yield run
                run = []
        if run:
            yield run


def _place(value: float, reach: tuple[float, float], start: float, end: float) -> float:
    return round(start + (value - reach[0]) / (reach[1] - reach[0]) * (end - start), 1)


def _reach(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Both ends of an axis; never the same."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    spread = high - low or abs(high) or 1.0
    if high == low:
        return low - spread / 2, high + spread / 2
    return low - margin * spread, high + margin * spread


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    """A path through points; a point alone is a line to itself, which round ends make a dot."""
    head, *rest = (f"{x:g},{y:g}" for x, y in points)
    return f"M{head}L{' '.join(rest or [head])}"


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` + 1 multiples of 1, 2 or 5 times a power of ten between two ends."""
    rough = (high - low) / most
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * k for k in (1, 2, 5, 10) if scale * k >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def compact(value: float) -> str:
    """A number as a tick names it: 12k, 1.5M, 0.02."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.5g}" if abs(value) >= 1e-12 else "0"


def _shortened(name: str) -> str:
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"
