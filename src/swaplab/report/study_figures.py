"""Figures of a study: every seed's point, curves with their range over seeds, quality against cost."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from swaplab.report.curves import COLOURS, PANELS, Figure
from swaplab.report.numbers import significant
from swaplab.report.outcomes import COSTS, Outcome, costs
from swaplab.report.reading import ReportedRun, finite
from swaplab.report.study import Study
from swaplab.runs.statistics import paired_interval

GREY = "#b9bec5"
INK = "#1f2328"


def colour(study: Study, level: str) -> str:
    """The colour of a level, the same in all figures."""
    return COLOURS[study.levels.index(level) % len(COLOURS)]


def seed_points(study: Study, found: Outcome) -> Figure:
    """Every run's number; runs of one seed are joined, because they are compared as pairs."""
    traces: list[dict[str, Any]] = []
    for seed in study.seeds:
        known = [
            (i, found.values[level, seed]) for i, level in enumerate(study.levels) if (level, seed) in found.values
        ]
        traces.append(
            _trace([x for x, _ in known], [y for _, y in known], mode="lines", line={"color": GREY, "width": 1})
        )
    for i, level in enumerate(study.levels):
        known = [(seed, found.values[level, seed]) for seed in study.seeds if (level, seed) in found.values]
        points = _trace([i] * len(known), [value for _, value in known], mode="markers", name=level)
        points |= {"marker": {"color": colour(study, level), "size": 8}, "hovertemplate": "%{text}: %{y:.5g}"}
        points |= {"text": [f"seed {seed}" for seed, _ in known], "hoverinfo": "text"}
        traces.append(points)
        if len(known) > 1:
            traces.append(_mean(i + 0.18, [value for _, value in known]))
    ticks = [_tick(study, found, level) for level in study.levels]
    axis = {
        "tickvals": list(range(len(ticks))),
        "ticktext": ticks,
        "range": [-0.5, len(ticks) - 0.5],
        "zeroline": False,
    }
    layout = {"xaxis": axis, "yaxis": {"title": {"text": found.name}}, "showlegend": False, "hovermode": "closest"}
    return {"title": f"{found.name}: every seed, and the mean with its 95 % interval", "data": traces, "layout": layout}


def _trace(x: Sequence[float], y: Sequence[float], **more: Any) -> dict[str, Any]:
    return {"type": "scatter", "x": list(x), "y": list(y), "hoverinfo": "skip", **more}


def _mean(x: float, values: Sequence[float]) -> dict[str, Any]:
    low, high = (float(end) for end in paired_interval(values))
    mean = fmean(values)
    bars = {"type": "data", "array": [high - mean], "arrayminus": [mean - low], "color": INK, "thickness": 1.5}
    text = f"mean {mean:.5g}<br>95 % {low:.5g} … {high:.5g}<extra></extra>"
    marker = {"symbol": "diamond", "size": 9, "color": INK}
    return {"type": "scatter", "mode": "markers", "x": [x], "y": [mean], "error_y": bars, "marker": marker} | {
        "hovertemplate": text
    }


def _tick(study: Study, found: Outcome, level: str) -> str:
    """A level's name, with the number of its runs that are not among the points."""
    lost: dict[str, int] = {}
    for seed in study.seeds:
        state = found.states[level, seed]
        if state != "measured":
            lost[state] = lost.get(state, 0) + 1
    return "<br>".join([level, *(f"{count} {state}" for state, count in lost.items())])


def range_curves(study: Study) -> list[Figure]:
    """One figure a metric over images seen: the median over seeds of each level, and the range of all of them."""
    names = dict.fromkeys(name for run in study.runs.values() for name in run.series)
    chosen = [name for name in names if not name.endswith("_weighted")]
    chosen.sort(key=lambda name: next((i for i, start in enumerate(PANELS) if name.startswith(start)), len(PANELS)))
    return [_range_curve(study, name) for name in chosen]


def _range_curve(study: Study, name: str) -> Figure:
    traces: list[dict[str, Any]] = []
    for level in study.levels:
        at = _by_images(study.of(level), name)
        if not at:
            continue
        x, shade = list(at), colour(study, level)
        ends = [(min(values), max(values)) for values in at.values()]
        edge = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip"}
        traces.append({**edge, "y": [low for low, _ in ends], "showlegend": False})
        traces.append({**edge, "y": [high for _, high in ends], "fill": "tonexty", "fillcolor": shade + "26"})
        traces[-1]["showlegend"] = False
        hover = [f"{low:.5g} … {high:.5g}, {len(at[i])} runs" for i, (low, high) in zip(x, ends, strict=True)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(x) <= 40 else "lines",
                "name": level,
                "x": x,
                "y": [median(values) for values in at.values()],
                "text": hover,
                "line": {"color": shade, "width": 1.8},
                "marker": {"size": 4},
                "hovertemplate": "%{y:.5g} (%{text})",
            }
        )
    axis = {"title": {"text": "images seen"}, "hoverformat": ",d", "rangemode": "tozero"}
    return {"title": name, "data": traces, "layout": {"xaxis": axis, "hovermode": "x unified", "showlegend": False}}


def _by_images(runs: Sequence[ReportedRun], name: str) -> dict[int, list[float]]:
    """Images seen -> the finite values of the runs that report there, in order."""
    at: dict[int, list[float]] = {}
    for run in runs:
        for row in run.rows:
            value = finite(row.get(name))
            if value is not None:
                at.setdefault(int(row["images_seen"]), []).append(value)
    return dict(sorted(at.items()))


def quality_against_cost(study: Study, found: Outcome) -> Figure | None:
    """Every run's number over what it cost; buttons choose the cost, first that in which runs differ most. None where
    no run knows any cost.
    """
    taken = {key: costs(study.runs[key]) for key in found.values}
    kinds = [kind for kind in COSTS if any(taken[key][kind] is not None for key in taken)]
    if not kinds:
        return None
    known = {kind: [value for of_run in taken.values() if (value := of_run[kind])] for kind in kinds}
    kinds.sort(key=lambda kind: max(known[kind], default=1) / min(known[kind], default=1), reverse=True)
    by_level = {level: [key for key in taken if key[0] == level] for level in study.levels}
    columns = {kind: [[taken[key][kind] for key in keys] for keys in by_level.values()] for kind in kinds}
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": level,
            "x": columns[kinds[0]][i],
            "y": [found.values[key] for key in keys],
            "text": [_costs_text(key[1], taken[key]) for key in keys],
            "marker": {"color": colour(study, level), "size": 9},
            "hovertemplate": "%{y:.5g}<br>%{text}",
        }
        for i, (level, keys) in enumerate(by_level.items())
    ]
    labels = {kind: _label(kind) for kind in kinds}
    buttons = [
        {"label": labels[k], "method": "update", "args": [{"x": columns[k]}, {"xaxis.title.text": labels[k]}]}
        for k in kinds
    ]
    menu = {"type": "buttons", "direction": "right", "x": 0, "y": 1.12, "xanchor": "left", "buttons": buttons}
    layout = {
        "xaxis": {"title": {"text": labels[kinds[0]]}},
        "yaxis": {"title": {"text": found.name}},
        "hovermode": "closest",
        "showlegend": True,
        "updatemenus": [menu | {"showactive": True, "pad": {"b": 4}}],
        "margin": {"l": 60, "r": 12, "t": 48, "b": 42},
    }
    return {"title": "Quality against cost", "data": traces, "layout": layout}


def _costs_text(seed: int, taken: dict[str, float | None]) -> str:
    known = [f"{_label(kind)} {significant(value)}" for kind, value in taken.items() if value is not None]
    return "<br>".join([f"seed {seed}", *known])


def _label(kind: str) -> str:
    return kind.replace("_", " ").replace("macs", "MACs").replace(" mb", ", MB")
