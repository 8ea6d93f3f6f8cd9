"""Learning curves over images seen, and spectra over octaves."""

from collections.abc import Sequence
from dataclasses import replace

from swaplab.report.evaluations import Direction
from swaplab.report.figures import Figure, Series
from swaplab.report.reading import ReportedRun, finite

# Distinguishable with any colour vision (Okabe & Ito 2008); report.css sets them for light and dark pages.
COLOURS = tuple(f"var(--line-{i})" for i in range(7))
DASHES = ("", "6 3", "2 3", "8 3 2 3")
GREYS = ("var(--grey-0)", "var(--grey-1)", "var(--grey-2)")
PANELS = ("val/", "loss/", "train/")
POINTS = 40  # curves with at most so many points show them
MOST = 400  # maximum points of a curve, about one per pixel

Points = list[tuple[float, float | None]]


def colour_of(index: int) -> str:
    """Colour of the run or level at ``index``."""
    return COLOURS[index % len(COLOURS)]


def dash_of(index: int) -> str:
    """Dash of the run or level at ``index``; with colours, the first 28 are different."""
    return DASHES[index // len(COLOURS) % len(DASHES)]


def learning_curves(run: ReportedRun) -> list[Figure]:
    """One figure per metric over images seen: validation, then losses, then speed.

    Metrics per identity share the figure of the overall metric.
    """
    names = [name for name in run.series if not _repeats(run, name)]
    figures: dict[str, list[str]] = {}
    for name in names:
        whole = name.rpartition("/")[0]
        figures.setdefault(whole if whole in names else name, []).append(name)
    return [_learning_curve(run, title, figures[title]) for title in sorted(figures, key=panel_of)]


def panel_of(name: str) -> int:
    """Index of the panel of a metric, to sort figures by."""
    return next((i for i, start in enumerate(PANELS) if name.startswith(start)), len(PANELS))


def _repeats(run: ReportedRun, name: str) -> bool:
    """Whether a weighted loss always equals the raw one."""
    raw = name.removesuffix("_weighted")
    return raw != name and all(finite(row.get(name)) == finite(row.get(raw)) for row in run.rows)


def _learning_curve(run: ReportedRun, title: str, names: Sequence[str]) -> Figure:
    series: list[Series] = []
    for name in names:
        points = thinned([(row["images_seen"], finite(row[name])) for row in run.rows if name in row])
        xs, ys = zip(*points, strict=True)
        label = "all" if name == title and len(names) > 1 else name.removeprefix(f"{title}/")
        line = Series(label, xs, ys, colour_of(len(series)), dash_of(len(series)))
        series.append(replace(line, mark=2.5 if len(points) <= POINTS else 0.0))
    return over_images(title, series, [run], legend=True)


def over_images(name: str, series: Sequence[Series], runs: Sequence[ReportedRun], *, legend: bool = False) -> Figure:
    """A figure of a metric with an x axis up to the end of the longest run."""
    longest = max(run.rows[-1]["images_seen"] for run in runs if run.rows)
    return Figure(name, series, x="images seen", reach=(0.0, 1.02 * longest or 1.0), legend=legend)


def thinned(points: Points, most: int = MOST) -> Points:
    """At most ``most`` points: the lowest and the highest of each equal stretch, so that spikes stay, and gaps."""
    if len(points) <= most:
        return points
    size = 2 * -(-len(points) // most)
    kept: Points = []
    for start in range(0, len(points), size):
        stretch = list(enumerate(points[start : start + size]))
        known = [each for each in stretch if each[1][1] is not None]
        chosen = {min(known, key=_value), max(known, key=_value)} if known else {stretch[0]}
        kept += [point for _, point in sorted(chosen, key=lambda each: each[0])]
    return kept


def _value(place: tuple[int, tuple[float, float | None]]) -> float:
    value = place[1][1]
    assert value is not None
    return value


def spectrum(direction: Direction) -> Figure:
    """log2 of each octave's energy relative to the reference; 0: equal, -1: half the energy."""
    bands = list(dict.fromkeys(band for curve in direction.spectrum.values() for band in curve))
    bands.sort(key=lambda band: float(band.split("-")[0]))
    kinds = {line.label: line.kind for table in direction.tables for line in table.lines}
    series: list[Series] = []
    for label, curve in direction.spectrum.items():
        kind, values = kinds.get(label, "trivial"), [finite(curve.get(band)) for band in bands]
        series.append(_spectrum_line(label, kind, values, len(series)))
    return Figure(
        f"Spectrum, {direction.name}",
        series,
        x="octave, cycles per pixel (fine detail at the right)",
        y="log2(energy / reference)",
        ticks={float(i): _octave(band) for i, band in enumerate(bands)},
        reach=(-0.2, len(bands) - 0.8),
    )


def _spectrum_line(label: str, kind: str, values: Sequence[float | None], index: int) -> Series:
    xs = [float(i) for i in range(len(values))]
    if kind == "model":
        return Series(label, xs, values, COLOURS[0], width=2.8, mark=3.5)
    if kind == "ceiling":
        return Series(label, xs, values, COLOURS[2], DASHES[index % len(DASHES)], width=1.6, mark=2.5)
    return Series(label, xs, values, GREYS[index % len(GREYS)], DASHES[index % len(DASHES)], width=1.1, mark=2)


def _octave(band: str) -> str:
    return "–".join(f"{float(end):.2g}" for end in band.split("-"))
