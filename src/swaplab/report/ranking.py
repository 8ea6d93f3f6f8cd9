"""Runs as one table of factors, metrics of the three questions, training and cost, with one row per level or run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from swaplab.catalogue import OF_A_RUN, better, goodness, known, order
from swaplab.report.evaluations import ARROWS, WORDS, pretty
from swaplab.report.factors import Factor, Level, seed_of, short_names
from swaplab.report.grids import Item, number
from swaplab.report.numbers import duration, significant
from swaplab.report.outcomes import by_direction, matching, numbers
from swaplab.report.reading import ReportedRun, finite

# The metrics of each question; if the true swap is unknown, only landmarks and identity are available.
QUESTIONS = {
    "true swap?": ("score", "psnr"),
    "frame kept?": ("retrieval_top1[mixed]", "landmark_distance"),
    "right person?": ("identity", "leak"),
}
COST = ("cost/seconds", "cost/images_per_second", "cost/parameters", "cost/peak_memory_mb")
HEADS = {
    "cost/seconds": "training time",
    "cost/images_per_second": "images per second",
    "cost/parameters": "parameters",
    "cost/peak_memory_mb": "peak memory, MB",
    "cost/macs": "MACs per face",
}
IMAGES = "images seen"
TEXTS: dict[str, Callable[[Any], str]] = {
    "cost/seconds": duration,
    "cost/peak_memory_mb": lambda value: significant(round(value)),
    IMAGES: significant,
}

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Column:
    """``name``: the full name; ``label``: the header, with the metric's ``variant`` in a second line; ``more``: whether
    it is shown only with all columns."""

    name: str
    group: str
    label: str
    variant: str
    arrow: str
    meaning: str
    more: bool = False


@dataclass(frozen=True)
class Line:
    """A run or a level. ``folder``: NAME/ID of a run; ``factors``: their values; ``words``: text for the filter;
    ``series``: its level's name in figures."""

    label: str
    folder: str
    status: str
    factors: list[Item]
    seeds: Item
    items: list[Item]
    words: str
    series: str


@dataclass(frozen=True)
class Ranking:
    """``levels``: empty if no level has several seeds. ``anchors``: the best trivial baseline and the true swap.
    ``primary``: index of the column that sorts the rows, best first."""

    factors: list[tuple[str, str]]
    columns: list[Column]
    primary: int
    runs: list[Line]
    levels: list[Line]
    anchors: list[tuple[str, list[Item]]]

    @property
    def groups(self) -> list[tuple[str, int, bool]]:
        """The groups of columns: name, number of columns, whether they are shown only with all columns."""
        names = dict.fromkeys((column.group, column.more) for column in self.columns)
        return [(group, sum((c.group, c.more) == (group, more) for c in self.columns), more) for group, more in names]


def ranking(
    runs: Sequence[ReportedRun],
    factors: Sequence[Factor],
    levels: Sequence[Level],
    labels: Sequence[str],
    split: str | None,
    *,
    anchored: bool,
    metric: str | None = None,
) -> Ranking:
    """The table. ``split``: of the evaluations; ``anchored``: whether all runs were measured with one yardstick on the
    same frames, so that one trivial baseline applies to all; ``metric``: full name of the metric that sorts the rows;
    None: the first column with a better side."""
    values = [_values(run, split) for run in runs]
    columns = _columns(runs, values, metric)
    trivial, ceiling = (_anchor(runs, split, kind) for kind in ("trivial", "ceiling"))
    if not anchored:
        trivial, ceiling = {}, {}
    series = {place: level.label for level in levels for place in level.places}
    shown = [_cells(factor.values) for factor in factors]
    lines = [
        Line(
            labels[i],
            run.label,
            run.status,
            [cells[i] for cells in shown],
            Item(str(seed_of(run)), finite(seed_of(run))),
            [_item(column.name, values[i].get(column.name), trivial) for column in columns],
            _words(factors, i, f"seed={seed_of(run)} {labels[i]} {run.label} {run.status}"),
            series[i],
        )
        for i, run in enumerate(runs)
    ]
    of_levels = [_level(level, lines, values, columns, trivial) for level in levels]
    arrows = (i for i, column in enumerate(columns) if column.arrow)
    primary = next((i for i, column in enumerate(columns) if column.name == metric), next(arrows, 0))
    anchors = [("best trivial baseline", trivial), ("the true swap itself", ceiling)]
    return Ranking(
        factors=[(short, factor.key) for short, factor in zip(short_names(factors), factors, strict=True)],
        columns=columns,
        primary=primary,
        runs=_ordered(lines, primary),
        levels=_ordered(of_levels, primary) if len(levels) < len(runs) else [],
        anchors=[(name, [_item(c.name, found.get(c.name), {}) for c in columns]) for name, found in anchors if found],
    )


def _values(run: ReportedRun, split: str | None) -> dict[str, float | None]:
    """All numbers of a run, and those of each direction as ``NAME A → B``; None if not finite."""
    found: dict[str, Any] = numbers(run, split)
    for way, values in by_direction(run, split):
        found |= {f"{name} {pretty(way)}": value for name, value in values.items()}
    found[IMAGES] = run.facts.get("images_seen", run.rows[-1]["images_seen"] if run.rows else None)
    return {name: finite(value) for name, value in found.items() if value is not None}


def _columns(runs: Sequence[ReportedRun], values: Sequence[Values], metric: str | None) -> list[Column]:
    """Columns: questions, the sorting metric if it is not among them, validation metric, cost, then all others."""
    names = list(dict.fromkeys(name for each in values for name in each))
    chosen: dict[str, str] = {}
    for question, metrics in QUESTIONS.items():
        chosen |= {full: question for metric in metrics for full in matching(metric, names)[:1] if _is(full, metric)}
    if metric in names:
        chosen.setdefault(str(metric), "metric")
    best = [str((run.config.get("checkpoint") or {}).get("best")) for run in runs]
    shown = [(name, "training") for name in (*dict.fromkeys(best), IMAGES)] + [(name, "cost") for name in COST]
    for name, group in shown:
        if name in names:
            chosen.setdefault(name, group)
    rest = sorted((name for name in names if name not in chosen), key=_place)
    return [_column(name, group) for name, group in chosen.items()] + [
        _column(name, _group(name), more=True) for name in rest
    ]


def _is(full: str, metric: str) -> bool:
    """Whether a full name belongs to that metric and not to another one with the same beginning."""
    return full == metric or full.startswith((f"{metric}[", f"{metric}@"))


def _place(name: str) -> tuple[int, int, str]:
    """Sorting key: catalogue order, with values by direction last."""
    return (" → " in name, order(name) if known(name) else 1 << 10, name)


def _group(name: str) -> str:
    entry = known(name)
    return "by direction" if " → " in name else entry.group if entry else "other"


def _column(name: str, group: str, more: bool = False) -> Column:
    entry = known(name)
    base, bracket, variant = name.partition("[")
    label = HEADS.get(name, base.replace("_", " "))
    meaning = f"{name}: {entry.meaning} ({WORDS[entry.better]})" if entry else name
    arrow = ARROWS[entry.better] if entry and group != "cost" else ""
    return Column(name, group, label, (bracket + variant).replace("[", "").replace("]", " "), arrow, meaning, more)


def _item(name: str, value: float | None, trivial: Values, small: str = "") -> Item:
    """A metric's value, marked if it is better than that of the best trivial baseline."""
    good = None if value is None else goodness(name, value)
    beats = value is not None and name in trivial and better(name, value, trivial[name])
    return Item(_text(name, value), value if good is None else good, small, "beats" if beats else "")


def _text(name: str, value: float | None) -> str:
    return TEXTS.get(name, lambda known: number(name, known))(value) if value is not None else number(name, None)


def _cells(values: Sequence[str]) -> list[Item]:
    """The cells of a factor, ranked by size if they are numbers, else such that the first click sorts from A to Z."""
    try:
        ranks = {value: float(value) for value in set(values)}
    except ValueError:
        ranks = {value: -float(i) for i, value in enumerate(sorted(set(values)))}
    return [Item(value, ranks[value]) for value in values]


def _words(factors: Sequence[Factor], place: int, more: str) -> str:
    pairs = [f"{factor.key}={factor.values[place]}" for factor in factors]
    return " ".join([*pairs, more]).lower()


def _level(
    level: Level, lines: Sequence[Line], values: Sequence[Values], columns: Sequence[Column], trivial: Values
) -> Line:
    """The row of a level: mean and range over its seeds."""
    own = [lines[place] for place in level.places]
    items = []
    for column in columns:
        known = [value for place in level.places if (value := values[place].get(column.name)) is not None]
        low, high = (_text(column.name, end(known)) if known else "" for end in (min, max))
        small = f"{low} … {high}" if low != high else ""
        if len(known) < len(own) and known:
            small += f" ({len(known)} of {len(own)} runs)"
        items.append(_item(column.name, fmean(known) if known else None, trivial, small.strip()))
    seeds = Item(str(len(own)), float(len(own)), ", ".join(line.seeds.text for line in own))
    lost = {line.status for line in own} - {"complete"}
    words = " ".join(line.words for line in own)
    return Line(
        level.label, "", ", ".join(sorted(lost)) or "complete", own[0].factors, seeds, items, words, level.label
    )


def _ordered(lines: Sequence[Line], primary: int) -> list[Line]:
    """Rows sorted best first; rows without a number last."""

    def rank(line: Line) -> float:
        found = line.items[primary].rank if line.items else None
        return float("-inf") if found is None else found

    return sorted(lines, key=rank, reverse=True)


def _anchor(runs: Sequence[ReportedRun], split: str | None, kind: str) -> dict[str, float]:
    """The best value of each metric among rows of a kind, by means over runs and directions."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        content = run.evaluation(split)
        first = content["directions"][0]["rows"] if content else []
        for key in {row["key"] for row in first if row["kind"] == kind}:
            if kind == "trivial" or key == "real":
                rows.setdefault(key, []).append(numbers(run, split, key))
    best: dict[str, float] = {}
    for found in rows.values():
        for name in {name for each in found for name in each}:
            if name.startswith(OF_A_RUN):
                continue
            known = [value for each in found if (value := finite(each.get(name))) is not None]
            if known and better(name, fmean(known), best.get(name)):
                best[name] = fmean(known)
    return best
