"""What each run of a study came to: one number a metric and run, and the differences of levels over seeds."""

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
ROUNDING = 2.0**-20  # of a number that sums of float32 made, in any order
COSTS = ("parameters", "macs", "seconds", "images_per_second", "peak_memory_mb")


@dataclass(frozen=True)
class Outcome:
    """A metric over a study. ``names``: its full names in the runs, one if the runs compare. ``states``: (level, seed)
    -> one of `study.STATES`. ``values``: of those that are measured.
    """

    metric: str
    names: tuple[str, ...]
    states: dict[tuple[str, int], str]
    values: dict[tuple[str, int], float]

    @property
    def name(self) -> str:
        """The full name, or what was asked for where no run has it."""
        return self.names[0] if self.names else self.metric

    def of(self, level: str) -> list[float]:
        """The measured values of a level, in the order of the seeds."""
        return [value for (of_level, _), value in sorted(self.values.items()) if of_level == level]


def numbers(run: ReportedRun, split: str | None, row: str = "model") -> dict[str, Any]:
    """All numbers of a run by full name: its cost, the last values of training, and the means over the directions of
    a split, each over all frames of all clips. ``row``: the answer that is meant."""
    found: dict[str, Any] = {}
    if row == "model":
        found |= {f"{COST}{name}": value for name, value in costs(run).items() if value is not None}
        last = {name: value for line in run.rows for name, value in line.items()}
        found |= {name: value for name, value in last.items() if name.startswith(OF_A_RUN)}
    return found | directions_mean([values for _, values in by_direction(run, split, row)])


def directions_mean(values: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over directions of what all of them have; nan where one is not a finite number."""
    names = [name for name in (values[0] if values else {}) if all(name in each for each in values)]
    return {name: fmean(_number(each[name]) for each in values) for name in names}


def by_direction(run: ReportedRun, split: str | None, row: str = "model") -> list[tuple[str, dict[str, Any]]]:
    """The values of an answer by direction of a split; empty where that is not measured."""
    content = run.evaluation(split)
    found = content["directions"] if content else []
    return [(each["direction"], line["values"]) for each in found for line in each["rows"] if line["key"] == row]


def costs(run: ReportedRun) -> dict[str, float | None]:
    """By `COSTS`: the generator's parameters and multiply-accumulates, training's seconds, speed and peak memory."""
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
    """Seconds of training, by the reported speeds, until ``metric`` is as good as ``threshold``; None if never."""
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
    """Full names that a metric's name stands for: itself, else that of its bracket, else those that begin with it."""
    if metric in names:
        return [metric]
    bracket = [name for name in names if name.startswith(f"{metric}[")]
    return bracket or [name for name in names if name.startswith(metric)]


def outcome(study: Study, metric: str) -> Outcome:
    """The metric in every run. UserError where its name stands for several, or for others in other runs, and where runs
    were measured against different yardsticks and it depends on them."""
    states, values = {}, {}
    names: dict[str, None] = {}
    for level in study.levels:
        for seed in study.seeds:
            run = study.runs.get((level, seed))
            known = numbers(run, study.split) if run is not None else {}
            found = matching(metric, list(known))
            if len(found) > 1:
                raise UserError(f"the metric {metric} is not one: it may be {', '.join(found)}; name one of them")
            value = finite(known[found[0]]) if found else None
            states[level, seed] = state_of(run, value, bool(found))
            if states[level, seed] == "measured" and value is not None:
                values[level, seed] = value
                names |= {found[0]: None}
    if len(names) > 1:
        raise UserError(f"the metric {metric} is {', '.join(names)} in different runs: their numbers do not compare")
    if is_relative(metric) and len(study.yardsticks) > 1:
        raise UserError(
            f"the metric {metric} was measured against different people or faces "
            f"({'; '.join(sorted(study.yardsticks))}): its numbers do not compare; take psnr, which needs none"
        )
    return Outcome(metric, tuple(names), states, values)


def is_relative(metric: str) -> bool:
    """Whether a metric depends on the yardstick."""
    entry = known(metric)
    return entry is not None and entry.relative


def guards(study: Study) -> list[Outcome]:
    """The guard metrics, and dB wherever the score is; a name that stands for several gives them all, one that no run
    has gives nothing, and so does one whose numbers do not compare, which is remarked."""
    measured: dict[str, None] = {}
    for run in study.runs.values():
        measured |= dict.fromkeys(numbers(run, study.split))
    beside = ["psnr"] if "score" in (study.metric, *study.guards) else []
    wanted = [name for name in (*beside, *study.guards) if name != study.metric]
    names = list(dict.fromkeys(full for name in wanted for full in matching(name, list(measured))))
    apart = [name for name in names if is_relative(name)] if len(study.yardsticks) > 1 else []
    if apart:
        study.remarks.append(f"left out, as levels were measured against different people or faces: {', '.join(apart)}")
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
    """The planned comparisons, judged by the plan; none without one."""
    if study.plan is None:
        return []
    family = [pairs(study, found, level) for level in study.plan.comparisons]
    entry, contrast = known(found.name), study.plan.contrast
    counted = entry is not None and entry.counted
    return judge(family, contrast.direction, study.plan.margin, counted=counted)  # type: ignore[arg-type]


def threshold(study: Study, metric: str) -> float | None:
    """The validation score whose time is compared: the median last value of the reference, or of the first level."""
    runs = study.complete(study.reference or study.levels[0])
    last = [finite({name: v for row in run.rows for name, v in row.items()}.get(metric)) for run in runs]
    known = [value for value in last if value is not None]
    return median(known) if known else None


def _number(value: Any) -> float:
    number = finite(value)
    return float("nan") if number is None else number
