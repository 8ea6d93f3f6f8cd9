"""Curves of levels over images seen: one line per level with a band over its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from swaplab.report.curves import MOST, POINTS, colour_of, dash_of, over_images, panel_of, thinned
from swaplab.report.figures import Figure, Series
from swaplab.report.reading import ReportedRun, finite

BUDGET = 24_000  # points of all curves of a page, which keeps a page of twenty runs below 6 MB
FEWEST = 40

Levels = Mapping[str, Sequence[ReportedRun]]
Values = dict[int, list[float]]  # images seen -> values of the runs that report there


def legend_lines(levels: Levels) -> list[Series]:
    """One line without points per level, for a legend."""
    return [Series(level, (), (), colour_of(i), dash_of(i)) for i, level in enumerate(levels)]


def level_curves(levels: Levels) -> list[Figure]:
    """One figure per metric: the median and the range over seeds of each level, or the line of its only run.

    Validation first, then losses, then speed.
    """
    runs = [run for of_level in levels.values() for run in of_level]
    names = dict.fromkeys(name for run in runs for name in run.series)
    chosen = sorted((name for name in names if not name.endswith("_weighted")), key=panel_of)
    most = max(FEWEST, min(MOST, BUDGET // max(1, len(chosen) * len(levels))))
    return [over_images(name, _lines(levels, name, most), runs) for name in chosen]


def _lines(levels: Levels, name: str, most: int) -> list[Series]:
    lines = []
    for line, runs in zip(legend_lines(levels), levels.values(), strict=True):
        lines.append(_line(line, runs[0], name, most) if len(runs) == 1 else _band(line, runs, name, most))
    return [line for line in lines if line.x]


def _line(line: Series, run: ReportedRun, name: str, most: int) -> Series:
    points = thinned([(row["images_seen"], finite(row[name])) for row in run.rows if name in row], most)
    ys = [None if y is None else _rounded(y) for _, y in points]
    mark = 2.5 if len(points) <= POINTS else 0.0
    return replace(line, x=[x for x, _ in points], y=ys, mark=mark)


def _band(line: Series, runs: Sequence[ReportedRun], name: str, most: int) -> Series:
    at = _joined(_by_images(runs, name), most)
    middle = [_rounded(median(values)) for values in at.values()]
    low, high = ([_rounded(end(values)) for values in at.values()] for end in (min, max))
    text = [f"{m:.5g} ({a:.5g} … {b:.5g})" for m, a, b in zip(middle, low, high, strict=True)]
    mark = 2.0 if len(at) <= POINTS else 0.0
    return replace(line, x=list(at), y=middle, low=low, high=high, text=text, mark=mark)


def _joined(at: Values, most: int) -> Values:
    """At most ``most`` positions, each with all values of its stretch, so that the band keeps all spikes."""
    size = max(1, -(-len(at) // most))
    places = list(at)
    parts = [places[i : i + size] for i in range(0, len(places), size)]
    return {part[-1]: [value for place in part for value in at[place]] for part in parts}


def _rounded(value: float) -> float:
    """Round to the resolution of a figure."""
    return float(f"{value:.5g}")


def _by_images(runs: Sequence[ReportedRun], name: str) -> Values:
    """The finite values of all runs, by images seen, in order."""
    at: Values = {}
    for run in runs:
        for row in run.rows:
            value = finite(row.get(name))
            if value is not None:
                at.setdefault(int(row["images_seen"]), []).append(value)
    return dict(sorted(at.items()))
