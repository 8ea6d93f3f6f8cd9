"""Metrics of a study's runs: one number per metric and run, and the differences of levels over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from swaplab.catalogue import OF_A_RUN, known, loss_of
from swaplab.errors import UserError
from swaplab.report.comparison import cost, speed
from swaplab.report.reading import ReportedRun, finite
from swaplab.report.study import Study, state_of
from swaplab.runs.verdict import Judgement, Pairs, judge

COST = "cost/"
ROUNDING = 2.0**-20  # relative rounding error of float32 sums in any order
COSTS = ("parameters", "macs", "seconds", "images_per_second", "peak_memory_mb")


@dataclass(frozen=True)
class Outcome:
    """A metric over a study. ``names``: its full names in the runs, one if the runs are comparable. ``states``: (level,
    seed) -> one of `study.STATES`. ``values``: of the measured ones.
    """

    metric: str
    names: tuple[str, ...]
    states: dict[tuple[str, int], str]
    values: dict[tuple[str, int], float]

    @property
    def name(self) -> str:
        """The full name, or the requested name if no run has it."""
        return self.names[0] if self.names else self.metric

    def of(self, level: str) -> list[float]:
        """The measured values of a level, in the order of the seeds."""
        return [value for (of_level, _), value in sorted(self.values.items()) if of_level == level]


def numbers(run: ReportedRun, split: str | None, row: str = "model") -> dict[str, Any]:
    """All numbers of a run by full name: cost, last values of training, and means over the directions of a split, each
    over all frames of all clips. ``row``: key of the evaluation's row."""
    found: dict[str, Any] = {}
    if row == "model":
        found |= {f"{COST}{name}": value for name, value in costs(run).items() if value is not None}
        last = {name: value for line in run.rows for name, value in line.items()}
        found |= {name: value for name, value in last.items() if name.startswith(OF_A_RUN)}
    return found | directions_mean([values for _, values in by_direction(run, split, row)])


def directions_mean(values: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over directions of the metrics that all of them have; nan if one value is not finite."""
    names = [name for name in (values[0] if values else {}) if all(name in each for each in values)]
    return {name: fmean(_number(each[name]) for each in values) for name in names}


def by_direction(run: ReportedRun, split: str | None, row: str = "model") -> list[tuple[str, dict[str, Any]]]:
    """The values of a row by direction of a split; empty if the split is not evaluated."""
    content = run.evaluation(split)
    found = content["directions"] if content else []
    return [(each["direction"], line["values"]) for each in found for line in each["rows"] if line["key"] == row]


def costs(run: ReportedRun) -> dict[str, float | None]:
    """By `COSTS`: parameters and multiply-accumulates of the generator; seconds, speed and peak memory of training."""
    parameters = run.facts.get("parameters")
    known = cost(run)
    return {
        "parameters": finite(parameters.get("generator")) if isinstance(parameters, dict) else None,
        "macs": finite(run.facts.get("macs")),
        "seconds": finite(known.get("seconds")),
        "images_per_second": speed(run),
        "peak_memory_mb": finite(known.get("peak_memory_mb")),
    }


def seconds_to(run: ReportedRun, metric: str, threshold: float) -> float | None:
    """Seconds of training, from the reported speeds, until ``metric`` reaches ``threshold``; None if never."""
    images, seconds = [0.0], [0.0]
    for row in run.rows:
        rate = finite(row.get("train/images_per_second"))
        if rate:
            seconds.append(seconds[-1] + (row["images_seen"] - images[-1]) / rate)
            images.append(row["images_seen"])
    for row in run.rows:
        value = finite(row.get(metric))
        if value is not None and loss_of(metric, value) <= loss_of(metric, threshold) and len(images) > 1:
            return float(np.interp(row["images_seen"], images, seconds))
    return None


def matching(metric: str, names: Sequence[str]) -> list[str]:
    """The full names that a metric's name matches: itself, else with brackets, else all that begin with it."""
    if metric in names:
        return [metric]
    bracket = [name for name in names if name.startswith(f"{metric}[")]
    return bracket or [name for name in names if name.startswith(metric)]


def outcome(study: Study, metric: str) -> Outcome:
    """The metric in every run. Raises UserError if its name is ambiguous, if runs have different variants of it, and if
    it depends on a yardstick that differs between runs."""
    states, values = {}, {}
    names: dict[str, None] = {}
    for level in study.levels:
        for seed in study.seeds:
            run = study.runs.get((level, seed))
            known = numbers(run, study.split) if run is not None else {}
            found = matching(metric, list(known))
            if len(found) > 1:
                raise UserError(f"the metric {metric} is ambiguous; choose from {', '.join(found)}")
            value = finite(known[found[0]]) if found else None
            states[level, seed] = state_of(run, value, bool(found))
            if states[level, seed] == "measured" and value is not None:
                values[level, seed] = value
                names |= {found[0]: None}
    if len(names) > 1:
        raise UserError(
            f"the metric {metric} is {', '.join(names)} in different runs, so their numbers cannot be compared; choose "
            f"another metric"
        )
    if is_relative(metric) and len(study.yardsticks) > 1:
        raise UserError(
            f"the metric {metric} was measured against different people or faces "
            f"({'; '.join(sorted(study.yardsticks))}), so its numbers cannot be compared; use psnr instead"
        )
    return Outcome(metric, tuple(names), states, values)


def is_relative(metric: str) -> bool:
    """Whether a metric depends on the yardstick."""
    entry = known(metric)
    return entry is not None and entry.relative


def guards(study: Study) -> list[Outcome]:
    """The guard metrics, and PSNR if the score is among the metrics. An ambiguous name gives all matches, an unknown
    one none. Metrics that cannot be compared are left out with a remark."""
    measured: dict[str, None] = {}
    for run in study.runs.values():
        measured |= dict.fromkeys(numbers(run, study.split))
    beside = ["psnr"] if "score" in (study.metric, *study.guards) else []
    wanted = [name for name in (*beside, *study.guards) if name != study.metric]
    names = list(dict.fromkeys(full for name in wanted for full in matching(name, list(measured))))
    apart = [name for name in names if is_relative(name)] if len(study.yardsticks) > 1 else []
    if apart:
        study.remarks.append(
            f"not shown, because levels were measured against different people or faces: {', '.join(apart)}"
        )
    return [outcome(study, name) for name in names if name not in apart]


def pairs(study: Study, found: Outcome, level: str) -> Pairs:
    """The level against the reference, seed by seed."""
    assert study.reference is not None
    differences, diverged, missing, largest = {}, [], [], 0.0
    for seed in study.seeds:
        arms = (level, seed), (study.reference, seed)
        states = {found.states[arm] for arm in arms}
        if states == {"measured"}:
            own, other = (found.values[arm] for arm in arms)
            differences[seed], largest = own - other, max(largest, abs(own), abs(other))
        elif states <= {"measured", "diverged"}:
            diverged.append(seed)
        else:
            missing.append(seed)
    return Pairs(level, differences, tuple(diverged), tuple(missing), rounding=ROUNDING * largest)


def judgements(study: Study, found: Outcome) -> list[Judgement]:
    """The verdicts of the planned comparisons; none without a plan."""
    if study.plan is None:
        return []
    family = [pairs(study, found, level) for level in study.plan.comparisons]
    entry, contrast = known(found.name), study.plan.contrast
    counted = entry is not None and entry.counted
    return judge(family, contrast.direction, study.plan.margin, counted=counted)  # type: ignore[arg-type]


def threshold(study: Study, metric: str) -> float | None:
    """The validation value for comparing training times: the median last value of the reference or first level."""
    runs = study.complete(study.reference or study.levels[0])
    last = [finite(run.newest.get(metric)) for run in runs]
    known = [value for value in last if value is not None]
    return median(known) if known else None


def _number(value: Any) -> float:
    number = finite(value)
    return float("nan") if number is None else number
