"""Figures of a study: the value of every seed, and quality against cost."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from swaplab.report.curves import colour_of
from swaplab.report.figures import Figure, Series
from swaplab.report.numbers import significant
from swaplab.report.outcomes import COSTS, Outcome, costs
from swaplab.report.study import Study
from swaplab.runs.statistics import paired_interval


def colour(study: Study, level: str) -> str:
    """The colour of a level, the same in all figures."""
    return colour_of(study.levels.index(level))


def seed_points(study: Study, found: Outcome) -> Figure:
    """The value of every run; runs with the same seed are joined, because they are compared as pairs."""
    series: list[Series] = []
    for seed in study.seeds:
        known = [
            (i, found.values[level, seed]) for i, level in enumerate(study.levels) if (level, seed) in found.values
        ]
        series.append(Series("", [x for x, _ in known], [y for _, y in known], "var(--strong)", width=1))
    for i, level in enumerate(study.levels):
        known = [(seed, found.values[level, seed]) for seed in study.seeds if (level, seed) in found.values]
        values = [value for _, value in known]
        text = [f"seed {seed}: {value:.5g}" for seed, value in known]
        series.append(Series(level, [i] * len(known), values, colour(study, level), line=False, mark=4.5, text=text))
        if len(known) > 1:
            series.append(_mean(level, i + 0.18, values))
    ticks = {float(i): _tick(study, found, level) for i, level in enumerate(study.levels)}
    title = f"{found.name}: every seed, and the mean with its 95 % interval"
    return Figure(title, series, y=found.name, ticks=ticks, reach=(-0.5, len(ticks) - 0.5), alone=True, legend=False)


def _mean(level: str, x: float, values: Sequence[float]) -> Series:
    low, high = (float(end) for end in paired_interval(values))
    mean = fmean(values)
    text = f"mean {mean:.5g}\n95 % {low:.5g} … {high:.5g}"
    return Series(f"{level}, mean", [x], [mean], line=False, mark=5, low=[low], high=[high], text=[text])


def _tick(study: Study, found: Outcome, level: str) -> str:
    """A level's name with the numbers of its runs without a point."""
    states = Counter(found.states[level, seed] for seed in study.seeds)
    return "\n".join([level, *(f"{count} {state}" for state, count in states.items() if state != "measured")])


def quality_against_cost(study: Study, found: Outcome) -> list[Figure]:
    """The value of every run against its cost, one figure per kind of cost, starting with the largest relative
    difference."""
    taken = {key: costs(study.runs[key]) for key in found.values}
    known = {kind: [value for of_run in taken.values() if (value := of_run[kind])] for kind in COSTS}
    kinds = [kind for kind in COSTS if any(of_run[kind] is not None for of_run in taken.values())]
    kinds.sort(key=lambda kind: max(known[kind], default=1) / min(known[kind], default=1), reverse=True)
    return [_against(study, found, kind, taken) for kind in kinds]


def _against(study: Study, found: Outcome, kind: str, taken: dict[tuple[str, int], dict[str, float | None]]) -> Figure:
    series = []
    for level in study.levels:
        points = [
            (x, found.values[key], _costs_text(found.values[key], key[1], of_run))
            for key, of_run in taken.items()
            if key[0] == level and (x := of_run[kind]) is not None
        ]
        if points:
            xs, ys, text = zip(*points, strict=True)
            series.append(Series(level, xs, ys, colour(study, level), line=False, mark=4.5, text=text))
    known = [x for each in series for x in each.x]
    margin = 0.05 * (max(known) - min(known) or max(known) or 1.0)
    reach = (min(known) - margin, max(known) + margin)
    return Figure(_label(kind), series, x=_label(kind), y=found.name, reach=reach, alone=True)


def _costs_text(value: float, seed: int, taken: dict[str, float | None]) -> str:
    known = [f"{_label(kind)} {significant(cost)}" for kind, cost in taken.items() if cost is not None]
    return "\n".join([f"{value:.5g}, seed {seed}", *known])


def _label(kind: str) -> str:
    return kind.replace("_", " ").replace("macs", "MACs").replace(" mb", ", MB")
