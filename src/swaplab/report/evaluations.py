"""Evaluations as tables of the model, trivial baselines and ceilings."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from swaplab.catalogue import turned
from swaplab.report.numbers import NOTHING, measured
from swaplab.report.reading import ReportedRun, finite

# The metrics of the three questions, and the landmark metrics that replace some if the true swap is unknown.
ASKED = ("score", "psnr", "retrieval_top1[mixed]", "identity[")
WITHOUT_TRUTH = ("landmark_distance[", "pose_difference[")
# Groups of metrics that must be good together, shown in one table.
TOGETHER = ("swap", "kept", "identity")
CURVES = ("spectrum",)
ARROWS = {"higher": "↑", "lower": "↓", "zero": "→ 0", "one": "→ 1", None: ""}
WORDS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "zero": "best near 0",
    "one": "best near 1",
    None: "neither good nor bad",
}


@dataclass(frozen=True)
class Column:
    """A metric. ``label``: the parts of its name, one per line; ``meaning``: the tooltip."""

    name: str
    label: list[str]
    arrow: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """``rank``: sorting key, higher is better. ``mark``: ``best`` for the best trivial baseline, ``beats`` for a model
    that is better."""

    text: str
    rank: float | None = None
    interval: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """A row; ``kind`` is ``model``, ``trivial``, ``ceiling`` or ``chance``."""

    label: str
    kind: str
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """``groups``: names of the column groups with their numbers of columns."""

    groups: list[tuple[str, int]]
    columns: list[Column]
    lines: list[Line]


@dataclass(frozen=True)
class Direction:
    """Tables of one direction of one split, for one of the run's weights.

    ``asked``: the columns of the three questions; ``tables``: all columns.
    """

    name: str
    weights: str
    split: str
    extent: str
    asked: Table
    tables: list[Table]
    spectrum: dict[str, dict[str, float]]


def directions(run: ReportedRun) -> list[Direction]:
    """All directions of all evaluated splits."""
    return [_direction(content, found) for content in run.evaluations for found in content["directions"]]


def pretty(direction: str) -> str:
    """``A->B`` with a typographic arrow."""
    return direction.replace("->", " → ")


def named(values: dict[str, float], *starts: str) -> str:
    """The full name of a metric that begins with one of ``starts``; empty if it was not measured."""
    return next((name for start in starts for name in values if name.startswith(start)), "")


def _direction(content: dict[str, Any], found: dict[str, Any]) -> Direction:
    frames, weights, split = found.get("frames", []), content["weights"], content["split"]
    clips = len({frame["clip"] for frame in frames})
    names = list(found["metrics"])
    together = [name for name in names if found["metrics"][name]["group"] in TOGETHER]
    asked = ASKED if "score" in names else (*WITHOUT_TRUTH, *ASKED)
    apart = [name for name in names if found["metrics"][name]["group"] not in (*TOGETHER, *CURVES)]
    return Direction(
        name=pretty(found["direction"]),
        weights=weights,
        split=split,
        extent=f"{len(frames)} frames of {clips} clips" if frames else "",
        asked=_table(found, [name for name in names if name.startswith(asked)]),
        tables=[_table(found, chosen) for chosen in (together, apart) if chosen],
        spectrum=dict(_spectra(found)),
    )


def _spectra(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """The label of each row with its spectrum relative to the reference, by octave."""
    names = [name for name, entry in found["metrics"].items() if entry["group"] in CURVES]
    for row in found["rows"]:
        curve = {_parts(name)[-1]: row["values"][name] for name in names if name in row["values"]}
        if curve:
            yield row["label"], curve


def _table(found: dict[str, Any], names: Sequence[str]) -> Table:
    metrics = found["metrics"]
    by_key = {row["key"]: row["values"] for row in found["rows"]}
    lines = [
        Line(row["label"], row["kind"], [_cell(found, row, name, by_key) for name in names])
        for row in found["rows"]
        if any(name in row["values"] for name in names)
    ]
    chance = [metrics[name].get("chance") for name in names]
    if any(value is not None for value in chance):
        cells = [Cell(measured(n, v), _goodness(metrics[n], v)) for n, v in zip(names, chance, strict=True)]
        lines.append(Line("chance", "chance", cells))
    groups = [(group, len(list(members))) for group, members in groupby(metrics[name]["group"] for name in names)]
    return Table(groups, [_column(name, metrics[name]) for name in names], lines)


def _parts(name: str) -> list[str]:
    """Split ``retrieval_top1[mixed]@100`` into retrieval_top1, mixed, @100."""
    found = re.fullmatch(r"([^\[@]+)(?:\[(.*)\])?(@.+)?", name)
    return [part for group in found.groups() if group for part in group.split(":")] if found else [name]


def _column(name: str, entry: dict[str, Any]) -> Column:
    base, *rest = _parts(name)
    better = entry.get("better")
    meaning = f"{name}: {entry.get('meaning', '')} ({WORDS.get(better, better)})"
    return Column(name, [base.replace("_", " "), *rest], ARROWS.get(better, ""), meaning)


def _cell(found: dict[str, Any], row: dict[str, Any], name: str, by_key: dict[str, dict[str, float]]) -> Cell:
    value, entry = row["values"].get(name), found["metrics"][name]
    if value is None:
        return Cell(NOTHING)
    rank, best, own = _goodness(entry, value), entry.get("best_trivial"), row["key"] == "model"
    trivial = _goodness(entry, by_key[best].get(name)) if best in by_key else None
    mark = "best" if row["key"] == best else ""
    if own and entry.get("better") and None not in (rank, trivial) and rank > trivial:  # type: ignore[operator]
        mark = "beats"
    interval = interval_text(name, found.get("intervals", {}).get(name)) if own else ""
    return Cell(measured(name, value), rank, interval, mark)


def _goodness(entry: dict[str, Any], value: Any) -> float | None:
    number = finite(value)
    if number is None:
        return None
    good = turned(entry.get("better"), number)
    return number if good is None else good


def interval_text(name: str, interval: Sequence[float] | None) -> str:
    """The text of an interval of a metric."""
    return "" if interval is None else f"{measured(name, interval[0])}\u00a0… {measured(name, interval[1])}"
