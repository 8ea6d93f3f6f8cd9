"""Figures as inline SVG: their data and geometry. ``parts.html.j2`` prints them, ``report.js`` adds tooltips."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The axes in a picture of 440 x 250 units. Text uses the same units, so all figures have one size.
LEFT, RIGHT, TOP, BOTTOM = 58, 430, 10, 204
MARGIN = 0.05  # above and below the values, as a share of their range
LABEL = 18  # maximum length of a tick label, in characters


@dataclass(frozen=True)
class Series:
    """Values over x, joined by a line unless ``line`` is false.

    ``y``, ``low``, ``high``: None leaves a gap. ``low`` and ``high``: a band around a line, or error bars without a
    line. ``colour``: CSS; ``dash``: SVG (``5 3``); ``mark``: radius of points, 0 for none. ``text``: tooltip of each
    point instead of its value. A series without a name has neither a legend entry nor tooltips.
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
    """``x``, ``y``: names of the axes. ``ticks``: labels of an x axis without numbers.

    ``reach``: limits of the x axis; None: those of the values. ``alone``: tooltips show the nearest point
    instead of all series at one x. ``legend``: whether the figure has its own legend.
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
        """The series with a legend entry."""
        return [series for series in self.series if series.name]

    def drawn(self) -> "Drawing":
        """The geometry of the figure."""
        return Drawing(self)

    def as_json(self) -> dict[str, Any]:
        """The data for tooltips: axes and values."""
        axes = self.drawn()
        series = [{"name": s.name, "x": [*s.x], "y": [*s.y], "text": [*s.text]} for s in self.named]
        return {"title": self.title, "x": axes.across, "y": axes.up, "alone": self.alone, "series": series} | {
            "box": [LEFT, TOP, RIGHT, BOTTOM],
            "ticks": {f"{place:g}": name for place, name in (self.ticks or {}).items()},
        }


@dataclass(frozen=True)
class Tick:
    """``at``: position on its axis, in picture units; ``lines``: its label."""

    at: float
    lines: list[str]


class Drawing:
    """A figure's axes and paths. ``across``, ``up``: limits of the axes."""

    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        xs = [x for series in figure.series for x in series.x]
        self.across = figure.reach or _reach(xs, 0.0)
        bands = (values for s in figure.series for values in (s.y, s.low, s.high))
        self.up = _reach([y for values in bands for y in values if y is not None], MARGIN)

    def at_x(self, x: float) -> float:
        """The position of an x value."""
        return _place(x, self.across, LEFT, RIGHT)

    def at_y(self, y: float) -> float:
        """The position of a y value; the picture's y axis points down."""
        return _place(y, self.up, BOTTOM, TOP)

    @property
    def x_ticks(self) -> list[Tick]:
        """The given labels, or round numbers."""
        if self.figure.ticks is None:
            return [Tick(self.at_x(v), [compact(v)]) for v in round_numbers(*self.across, 5)]
        named = [(at, name.split("\n")) for at, name in self.figure.ticks.items()]
        return [Tick(self.at_x(at), [_shortened(line) for line in lines]) for at, lines in named]

    @property
    def y_ticks(self) -> list[Tick]:
        """Round numbers."""
        return [Tick(self.at_y(v), [compact(v)]) for v in round_numbers(*self.up, 5)]

    def path(self, series: Series) -> str:
        """The path of the line, with gaps."""
        return " ".join(_polyline(run) for run in self._runs(series.x, series.y))

    def points(self, series: Series) -> list[tuple[float, float]]:
        """Centres of the points."""
        return [point for run in self._runs(series.x, series.y) for point in run]

    def band(self, series: Series) -> str:
        """The outline of the band around a line: along the upper edge and back along the lower one."""
        edges = zip(series.x, series.low, series.high, strict=True) if series.low else ()
        known = [(x, low, high) for x, low, high in edges if low is not None and high is not None]
        there = [(self.at_x(x), self.at_y(high)) for x, _, high in known]
        back = [(self.at_x(x), self.at_y(low)) for x, low, _ in reversed(known)]
        return f"{_polyline(there + back)}Z" if known else ""

    def bars(self, series: Series) -> list[tuple[float, float, float]]:
        """x, lower and upper end of each error bar."""
        ends = zip(series.x, series.low, series.high, strict=True) if series.low else ()
        return [
            (self.at_x(x), self.at_y(low), self.at_y(high))
            for x, low, high in ends
            if low is not None and high is not None
        ]

    def _runs(self, xs: Sequence[float], ys: Sequence[float | None]) -> Iterator[list[tuple[float, float]]]:
        """Segments without gaps."""
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
    """The limits of an axis, never equal."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    spread = high - low or abs(high) or 1.0
    if high == low:
        return low - spread / 2, high + spread / 2
    return low - margin * spread, high + margin * spread


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    """A path through points; a single point becomes a line to itself, drawn as a dot by round line ends."""
    head, *rest = (f"{x:g},{y:g}" for x, y in points)
    return f"M{head}L{' '.join(rest or [head])}"


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` + 1 multiples of 1, 2 or 5 times a power of ten, between two limits."""
    rough = (high - low) / most
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * k for k in (1, 2, 5, 10) if scale * k >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def compact(value: float) -> str:
    """A number as a tick label: 12k, 1.5M, 0.02."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.5g}" if abs(value) >= 1e-12 else "0"


def _shortened(name: str) -> str:
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"
