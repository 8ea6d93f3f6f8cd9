"""Tables of a study as plain cells, for HTML and Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from swaplab.catalogue import loss_of
from swaplab.report.factors import beside
from swaplab.report.numbers import NOTHING, duration, measured, significant
from swaplab.report.outcomes import (
    COSTS,
    Outcome,
    by_direction,
    costs,
    directions_mean,
    judgements,
    matching,
    numbers,
    pairs,
    seconds_to,
    threshold,
)
from swaplab.report.reading import finite
from swaplab.report.study import STATES, Study
from swaplab.runs.identity import leaves
from swaplab.runs.statistics import paired_interval
from swaplab.runs.verdict import Judgement

TAILS = ("mse", "landmark_distance", "reconstruction_psnr", "identity")


@dataclass(frozen=True)
class Item:
    """``rank``: sorting key; ``small``: a second line; ``mark``: a CSS class."""

    text: str
    rank: float | None = None
    small: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Grid:
    """``rows``: the name of each row with its items, one per ``head``. ``note``: explanation below the table."""

    title: str
    corner: str
    head: list[str]
    rows: list[tuple[str, list[Item]]]
    note: str = ""


def signed(name: str, value: float | None) -> str:
    """A difference of a metric, with sign."""
    text = measured(name, value)
    return f"+{text}" if finite(value) is not None and value > 0 else text  # type: ignore[operator]


def item(name: str, value: float | None, small: str = "", mark: str = "") -> Item:
    """A metric's value."""
    return Item(number(name, value), value, small, mark)


def number(name: str, value: Any) -> str:
    """A metric's value as text: costs with four digits, measured values with the digits of their metric."""
    return significant(value) if name.startswith("cost/") else measured(name, value)


def verdicts(study: Study, found: Outcome) -> Grid:
    """The planned comparisons."""
    head = ["seeds", "mean difference", "interval", "effect size", "p", "corrected", "sign-flip p", "verdict"]
    rows = [(f"{each.level} − {study.reference}", _verdict(found.name, each)) for each in judgements(study, found)]
    family = len(rows)
    joint = "95 %" if family == 1 else f"95 % for all {family} together"
    note = (
        f"Differences of {found.name}, paired by seed. Interval: {joint}, Student's t. Effect size: Cohen's d_z with "
        f"Hedges' correction. The sign-flip test is an exact check of the t test that assumes no normality."
    )
    return Grid("Verdict", "comparison", head, rows, note)


def _verdict(name: str, each: Judgement) -> list[Item]:
    return [
        Item(str(len(each.pairs.differences)), float(len(each.pairs.differences))),
        Item(signed(name, each.mean), each.mean),
        Item(interval(name, each.low, each.high)),
        Item(NOTHING if each.effect is None else f"{each.effect:.2f}", each.effect),
        *(Item(NOTHING if p is None else f"{p:.3g}", p) for p in (each.p, each.corrected, each.check)),
        Item(each.verdict, mark=each.verdict),
    ]


def interval(name: str, low: float | None, high: float | None) -> str:
    """The interval of a difference, with signs."""
    return NOTHING if low is None or high is None else f"{signed(name, low)} … {signed(name, high)}"


def every_seed(study: Study, found: Outcome) -> Grid:
    """The primary metric of each run, or the state of a run without a value."""
    rows = []
    for level in study.levels:
        items = []
        for seed in study.seeds:
            state = found.states[level, seed]
            value = found.values.get((level, seed))
            items.append(item(found.name, value) if state == "measured" else Item(state, mark="lost"))
        values = found.of(level)
        spread = interval_of_mean(found.name, values)
        rows.append((level, [*items, item(found.name, fmean(values) if values else None, spread)]))
    note = (
        "One number per run: the mean over all frames of all clips, then over the directions. Small: 95 % interval "
        "of the mean over seeds."
    )
    return Grid(
        f"Every seed: {found.name}", study.factor, [f"seed {seed}" for seed in study.seeds] + ["mean"], rows, note
    )


def interval_of_mean(name: str, values: Sequence[float]) -> str:
    """Student's 95 % interval of a level's mean over seeds."""
    if len(values) < 2:
        return ""
    low, high = paired_interval(values)
    return f"{number(name, float(low))} … {number(name, float(high))}"


def counts(study: Study, found: Outcome) -> Grid:
    """The number of runs in each state, by level."""
    rows = []
    for level in study.levels:
        states = [found.states[level, seed] for seed in study.seeds]
        rows.append((level, [Item(str(states.count(state)), float(states.count(state))) for state in STATES]))
    return Grid(
        "Runs",
        study.factor,
        list(STATES),
        rows,
        "A diverged run is a result: it counts in the comparisons of its level.",
    )


def beside_anchors(study: Study, outcomes: Sequence[Outcome]) -> Grid:
    """Levels beside trivial baselines and ceilings, by the primary metric and the guards."""
    rows = []
    for level in study.levels:
        items = []
        for each in outcomes:
            values = each.of(level)
            small = f"{number(each.name, min(values))} … {number(each.name, max(values))}" if len(values) > 1 else ""
            items.append(item(each.name, fmean(values) if values else None, small))
        rows.append((level, items))
    for key, label, kind in _answers(study):
        found = [numbers(run, study.split, key) for run in study.runs.values()]
        means = directions_mean([values for values in found if values])
        if means:
            rows.append((label, [item(each.name, means.get(each.name), mark=kind) for each in outcomes]))
    note = (
        "Levels: mean and range over seeds. Below: trivial baselines and ceilings of the same frames, for comparison. "
        "Re encoded: the true swap encoded and decoded by the model, as a mean over all runs."
    )
    return Grid("Levels beside trivial baselines and ceilings", "method", [each.name for each in outcomes], rows, note)


def _answers(study: Study) -> list[tuple[str, str, str]]:
    """Key, label and kind of all rows except the model; labels do not name a direction."""
    found: dict[str, tuple[str, str, str]] = {}
    for run in study.runs.values():
        content = run.evaluation(study.split)
        for row in content["directions"][0]["rows"] if content else ():
            if row["kind"] != "model":
                label = f"{row['kind']}: {row['key'].replace('_', ' ')}"
                found.setdefault(row["key"], (row["key"], label, row["kind"]))
    return list(found.values())


def guard_differences(study: Study, outcomes: Sequence[Outcome]) -> Grid:
    """Paired differences of the guards to the reference, with uncorrected intervals."""
    rows = []
    for level in study.levels:
        if level == study.reference:
            continue
        items = []
        for each in outcomes:
            values = list(pairs(study, each, level).differences.values())
            small = ""
            if len(values) > 1:
                low, high = paired_interval(values)
                small = interval(each.name, float(low), float(high))
            items.append(Item(signed(each.name, fmean(values)) if values else NOTHING, fmean(values or [0.0]), small))
        rows.append((f"{level} − {study.reference}", items))
    note = "The verdict does not use these. Each interval is 95 %, uncorrected: of many, some exclude 0 by chance."
    return Grid("Guards", "difference", [each.name for each in outcomes], rows, note)


def level_costs(study: Study, best: str) -> Grid:
    """The cost of each level, averaged over its complete runs."""
    limit = threshold(study, best)
    units: list[tuple[str, Callable[[Any], str]]] = [(name.replace("_", " "), significant) for name in COSTS]
    units[COSTS.index("seconds")] = "training time", duration
    units[COSTS.index("peak_memory_mb")] = "peak memory, MB", lambda value: significant(round(value))
    units[COSTS.index("macs")] = "MACs per face", significant
    reached = f"training time to {best} {measured(best, limit)}"
    rows = []
    for level in study.levels:
        runs = study.complete(level)
        items = []
        for name, (_, text) in zip(COSTS, units, strict=True):
            values = [value for run in runs if (value := costs(run)[name]) is not None]
            mean = fmean(values) if values else None
            items.append(Item(NOTHING if mean is None else text(mean), mean))
        times = [seconds_to(run, best, limit) for run in runs] if limit is not None else []
        known = [value for value in times if value is not None]
        mean = fmean(known) if known else None
        small = f"{len(known)} of {len(runs)} runs" if len(known) < len(runs) else ""
        rows.append((level, [*items, Item(duration(mean), mean, small)]))
    note = (
        "Means over complete runs. MACs: to encode and decode one face. The last column is the training time until "
        "the validation metric is as good as the reference's median last value."
    )
    return Grid("Cost", study.factor, [title for title, _ in units] + [reached], rows, note)


def tails(study: Study) -> Grid:
    """Means and worst frames: quantiles over the frames of each run, averaged over directions and seeds."""
    head, rows = [], []
    names = _per_frame(study)
    for name, low in names:
        head += [f"{name}, mean", *(f"{name}, {q} %" for q in ((5, 1) if low else (95, 99)))]
    for level in study.levels:
        items = []
        for name, low in names:
            found = [
                [np.mean(frames), *np.quantile(frames, (0.05, 0.01) if low else (0.95, 0.99))]
                for run in study.complete(level)
                for frames in _frames(run.evaluation(study.split), name)
            ]
            items += [item(name, float(value)) for value in np.mean(found, 0)] if found else [Item(NOTHING)] * 3
        rows.append((level, items))
    note = (
        "A good mean can hide bad frames. Quantiles are taken on the bad side of all frames, then averaged over "
        "directions and seeds."
    )
    return Grid("Worst frames", study.factor, head, rows, note)


def _per_frame(study: Study) -> list[tuple[str, bool]]:
    """Full names of metrics with values per frame, and whether small values are bad."""
    known: dict[str, bool] = {}
    for run in study.runs.values():
        content = run.evaluation(study.split)
        if content:
            found = content["directions"][0]
            entries = found["metrics"]
            known |= {n: entries[n].get("better") == "higher" for n in found.get("per_frame", {}) if n in entries}
    chosen = dict.fromkeys(name for tail in TAILS for name in matching(f"{tail}", list(known))[:1])
    return [(name, known[name]) for name in chosen]


def _frames(evaluation: dict[str, Any] | None, name: str) -> list[list[float]]:
    """The values per frame of each direction that has them."""
    ways = evaluation["directions"] if evaluation else []
    return [way["per_frame"][name] for way in ways if name in way.get("per_frame", {})]


def best_of(study: Study, found: Outcome) -> Grid:
    """What the same runs would seem to show if only the best seed of each level were reported."""
    mean = {level: fmean(values) for level in study.levels if (values := found.of(level))}
    best = {level: min(found.of(level), key=lambda value: loss_of(found.name, value)) for level in mean}
    base = study.reference if study.reference in mean else next(iter(mean), None)
    rows = []
    for level in mean:
        count = len(found.of(level))
        items = [item(found.name, mean[level]), item(found.name, best[level], f"of {count}")]
        if base is not None:
            items += [
                Item(signed(found.name, chosen), chosen)
                for chosen in (mean[level] - mean[base], best[level] - best[base], best[level] - mean[base])
            ]
        rows.append((level, items))
    head = ["mean", "best", f"mean − mean of {base}", f"best − best of {base}", f"best − mean of {base}"]
    note = (
        "Why seeds are averaged: the same runs, if only the best seed were reported. The last column is what a paper "
        "reports if it tunes its own method and runs the baseline once."
    )
    return Grid(f"Best of n instead of the mean: {found.name}", study.factor, head, rows, note)


def config_differences(study: Study) -> Grid:
    """Config keys whose values differ between levels, without those of single runs, such as the seed."""
    flat = {level: dict(leaves(runs[0].config)) for level in study.levels if (runs := study.of(level))}
    keys = sorted({key for config in flat.values() for key in config if not beside(key)})
    rows = [
        (key, [Item(config.get(key, NOTHING)) for config in flat.values()])
        for key in keys
        if len({config.get(key) for config in flat.values()}) > 1
    ]
    return Grid("Config", "key", list(flat), rows, "Only the keys in which levels differ.")


def directions_apart(study: Study, found: Outcome) -> Grid:
    """The primary metric by direction, averaged over seeds."""
    rows: list[tuple[str, dict[str, list[float]]]] = []
    head: list[str] = []
    for level in study.levels:
        sums: dict[str, list[float]] = {}
        for run in study.complete(level):
            for direction, values in by_direction(run, study.split):
                value = finite(values.get(found.name))
                if value is not None:
                    sums.setdefault(direction, []).append(value)
        head = list(dict.fromkeys([*head, *sums]))
        rows.append((level, sums))
    grid = [(level, [item(found.name, fmean(s[way]) if way in s else None) for way in head]) for level, s in rows]
    return Grid(f"By direction: {found.name}", study.factor, [way.replace("->", " → ") for way in head], grid)
