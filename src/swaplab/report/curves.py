"""Curves as plotly figures: plain dicts of traces and layout, drawn by the page itself."""

from collections.abc import Sequence
from typing import Any

from swaplab.report.evaluations import Direction
from swaplab.report.reading import ReportedRun, finite

# Told apart with any colour vision (Okabe & Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("solid", "dash", "dot", "dashdot")
GREYS = ("#8a8f98", "#6b717b", "#a5aab2")
PANELS = ("val/", "loss/", "train/")
POINTS = 40  # shorter curves show their points

Figure = dict[str, Any]


def line_of(index: int) -> dict[str, str]:
    """Colour and dash of the run at ``index``; the first 28 are unlike."""
    return {"color": COLOURS[index % len(COLOURS)], "dash": DASHES[index // len(COLOURS) % len(DASHES)]}


def learning_curves(runs: Sequence[ReportedRun]) -> list[Figure]:
    """One figure a metric over images seen, all runs in it: validation, then losses, then speed."""
    names = list(dict.fromkeys(name for run in runs for name in run.series if not _repeats(runs, name)))
    names.sort(key=lambda name: next((i for i, start in enumerate(PANELS) if name.startswith(start)), len(PANELS)))
    return [_learning_curve(runs, name) for name in names]


def _repeats(runs: Sequence[ReportedRun], name: str) -> bool:
    """Whether a weighted loss is everywhere the raw one."""
    raw = name.removesuffix("_weighted")
    return raw != name and all(finite(row.get(name)) == finite(row.get(raw)) for run in runs for row in run.rows)


def _learning_curve(runs: Sequence[ReportedRun], name: str) -> Figure:
    traces = []
    for index, run in enumerate(runs):
        points = [(row["images_seen"], finite(row[name])) for row in run.rows if name in row]
        if not points:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(points) <= POINTS else "lines",
                "name": run.label,
                "x": [x for x, _ in points],
                "y": [y for _, y in points],
                "line": {**line_of(index), "width": 1.8},
                "marker": {"size": 5},
                "hovertemplate": "%{y:.5g}",
            }
        )
    longest = max(run.rows[-1]["images_seen"] for run in runs if run.rows)
    axis = {"title": {"text": "images seen"}, "range": [0, 1.02 * longest], "hoverformat": ",d"}
    return {"title": name, "data": traces, "layout": {"xaxis": axis, "hovermode": "x unified", "showlegend": False}}


def spectrum(direction: Direction) -> Figure:
    """log2 of each octave's energy over the reference's: 0 is as sharp as the reference, -1 half its energy."""
    bands = list(dict.fromkeys(band for curve in direction.spectrum.values() for band in curve))
    bands.sort(key=lambda band: float(band.split("-")[0]))
    kinds = {line.label: line.kind for table in direction.tables for line in table.lines}
    traces: list[Figure] = []
    for label, curve in direction.spectrum.items():
        line = _spectrum_line(kinds.get(label, "trivial"), len(traces))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label,
                "x": [_octave(band) for band in bands],
                "y": [finite(curve.get(band)) for band in bands],
                "line": line,
                "marker": {"size": 2 + 2 * line["width"]},
                "hovertemplate": "%{y:.2f}",
            }
        )
    layout = {
        "xaxis": {"title": {"text": "octave, cycles per pixel (fine detail at the right)"}, "type": "category"},
        "yaxis": {"title": {"text": "log2(energy / reference)"}},
        "hovermode": "x unified",
        "showlegend": True,
    }
    return {"title": f"Spectrum, {direction.name}", "data": traces, "layout": layout}


def _spectrum_line(kind: str, index: int) -> dict[str, Any]:
    if kind == "model":
        return {"color": COLOURS[index % len(COLOURS)], "width": 2.5}
    if kind == "ceiling":
        return {"color": COLOURS[2], "width": 1.5, "dash": "dash"}
    return {"color": GREYS[index % len(GREYS)], "width": 1, "dash": DASHES[index % len(DASHES)]}


def _octave(band: str) -> str:
    return "–".join(f"{float(end):.2g}" for end in band.split("-"))
