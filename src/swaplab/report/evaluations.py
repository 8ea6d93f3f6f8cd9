"""Evaluations as tables: the model between what is trivial and what is possible."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from swaplab.catalogue import turned
from swaplab.report.numbers import NOTHING, measured
from swaplab.report.reading import Picture, ReportedRun, finite

# What must be good together stands in one table.
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
    """A metric. ``label``: the parts of its name, a line each; ``meaning``: the tooltip."""

    name: str
    label: list[str]
    arrow: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """``rank``: grows with goodness, for sorting; ``mark``: ``best`` of the trivial, or the model ``beats`` it."""

    text: str
    rank: float | None = None
    interval: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """An answer; ``kind`` is ``model``, ``trivial``, ``ceiling`` or ``chance``."""

    label: str
    kind: str
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """``groups``: name and number of columns of each."""

    groups: list[tuple[str, int]]
    columns: list[Column]
    lines: list[Line]


@dataclass(frozen=True)
class Direction:
    """What the report shows of one direction of one split, with one of the run's weights."""

    name: str
    weights: str
    split: str
    extent: str
    tables: list[Table]
    spectrum: dict[str, dict[str, float]]
    samples: Picture | None
    worst: Picture | None


@dataclass(frozen=True)
class Headline:
    """The numbers that count only together."""

    run: str
    direction: str
    weights: str
    split: str
    score: str
    interval: str
    psnr: str
    trivial_psnr: str
    top1: str
    kept: str
    chance: str
    identity: str


def directions(run: ReportedRun) -> list[Direction]:
    """Every direction of every measured split."""
    return [_direction(run, content, found) for content in run.evaluations for found in content["directions"]]


def headlines(run: ReportedRun) -> list[Headline]:
    """One line a direction, of the final weights on the test split or, without those, of the first there are."""
    if not run.evaluations:
        return []
    content = run.evaluations[0]
    return [_headline(run.label, content, found) for found in content["directions"]]


def pretty(direction: str) -> str:
    """``A->B`` as it is printed."""
    return direction.replace("->", " → ")


def _headline(label: str, content: dict[str, Any], found: dict[str, Any]) -> Headline:
    values = {row["key"]: row["values"] for row in found["rows"]}
    best = values.get(found["metrics"].get("psnr", {}).get("best_trivial"), {})
    model, kept = values.get("model", {}), values.get("colour_match", {})
    top1, identity = _named(model, "retrieval_top1[mixed]"), _named(model, "identity[", "identity")
    return Headline(
        run=label,
        direction=pretty(found["direction"]),
        weights=content["weights"],
        split=content["split"],
        score=measured("score", model.get("score")),
        interval=_interval("score", found.get("intervals", {}).get("score")),
        psnr=measured("psnr", model.get("psnr")),
        trivial_psnr=measured("psnr", best.get("psnr")),
        top1=measured(top1, model.get(top1)),
        kept=measured(top1, kept.get(top1)),
        chance=measured(top1, found["metrics"].get(top1, {}).get("chance")),
        identity=measured(identity, model.get(identity)),
    )


def _named(values: dict[str, float], *starts: str) -> str:
    """The full name of a metric; an empty name if it was not measured."""
    return next((name for start in starts for name in values if name.startswith(start)), "")


def _direction(run: ReportedRun, content: dict[str, Any], found: dict[str, Any]) -> Direction:
    frames, weights, split = found.get("frames", []), content["weights"], content["split"]
    clips = len({frame["clip"] for frame in frames})
    way = found["direction"].replace("->", "_to_")
    names = list(found["metrics"])
    together = [name for name in names if found["metrics"][name]["group"] in TOGETHER]
    apart = [name for name in names if found["metrics"][name]["group"] not in (*TOGETHER, *CURVES)]
    return Direction(
        name=pretty(found["direction"]),
        weights=weights,
        split=split,
        extent=f"{len(frames)} frames of {clips} clips" if frames else "",
        tables=[_table(found, chosen) for chosen in (together, apart) if chosen],
        spectrum=dict(_spectra(found)),
        samples=run.pictures.get(f"{weights}/{split}-{way}-samples.png"),
        worst=run.pictures.get(f"{weights}/{split}-{way}-worst.png"),
    )


def _spectra(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """By the label of an answer, its spectrum against the reference by octave."""
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
    """``retrieval_top1[mixed]@100`` as retrieval_top1, mixed, @100."""
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
    interval = _interval(name, found.get("intervals", {}).get(name)) if own else ""
    return Cell(measured(name, value), rank, interval, mark)


def _goodness(entry: dict[str, Any], value: Any) -> float | None:
    number = finite(value)
    if number is None:
        return None
    good = turned(entry.get("better"), number)
    return number if good is None else good


def _interval(name: str, interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{measured(name, interval[0])}\u00a0… {measured(name, interval[1])}"
