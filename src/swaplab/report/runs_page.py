"""The HTML page of several runs: differences, ranking, the same faces from all runs, curves."""

from collections.abc import Sequence

import yaml

from swaplab.report.comparison import cost, costs, differing_keys, last_values
from swaplab.report.document import filled
from swaplab.report.factors import Factor, Level, factors_of, labels_of, levels_of, short_names
from swaplab.report.level_curves import legend_lines, level_curves
from swaplab.report.matrix import panel_names, run_matrices, strips
from swaplab.report.numbers import duration, significant
from swaplab.report.ranking import ranking
from swaplab.report.reading import ReportedRun, finite
from swaplab.report.unequal import JUDGED, NAMED, unequal
from swaplab.runs.evaluations import SPLITS


def render_runs(runs: Sequence[ReportedRun]) -> str:
    """The page as text. Levels are in the order of their first runs, runs of a level in the order of seeds."""
    split = next((name for name in reversed(SPLITS) if any(run.evaluation(name) for run in runs)), None)
    runs = _by_level(runs)
    factors = factors_of(runs)
    levels = levels_of(runs, factors)
    labels = labels_of(runs, levels)
    differences = unequal(runs, split)
    by_level = {level.label: [runs[place] for place in level.places] for level in levels}
    order = _across(levels)
    matrices = run_matrices([runs[i] for i in order], [labels[i] for i in order], split)
    anchored = not any(each.what in JUDGED for each in differences)
    return filled(
        "runs.html.j2",
        {f"curve-{i}": figure for i, figure in enumerate(level_curves(by_level))},
        title=_title(factors, levels),
        extent=_extent(runs, levels),
        runs=list(zip(runs, labels, strict=True)),
        marks={line.name: line for line in legend_lines(by_level)},
        rendered=any(run.rendered for run in runs),
        split=split,
        differences=[(each, each.named(labels)) for each in differences],
        remarks=[(label, remark) for run, label in zip(runs, labels, strict=True) for remark in run.remarks],
        ranking=ranking(runs, factors, levels, labels, split, anchored=anchored),
        matrices=[(each, strips(each, down=True)) for each in matrices],
        ways=panel_names(matrices),
        keys=differing_keys(runs),
        values=last_values(runs),
        costs=costs(runs),
        configs=[yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True) for run in runs],
    )


def _title(factors: Sequence[Factor], levels: Sequence[Level]) -> str:
    """The title: the factor and its levels if there is one factor, else the factors."""
    names = " × ".join(short_names(factors))
    if len(factors) == 1 and len(levels) <= NAMED:
        return f"{names}: {', '.join(level.label for level in levels)}"
    return names or "Runs of one config"


def _by_level(runs: Sequence[ReportedRun]) -> list[ReportedRun]:
    """Runs grouped by level, in the order of seeds."""
    levels = levels_of(runs, factors_of(runs))
    return [run for level in levels for run in sorted((runs[place] for place in level.places), key=_seed)]


def _across(levels: Sequence[Level]) -> list[int]:
    """Indices of runs that put levels side by side: the first run of each level, then the second of each."""
    ranked = [(i, j, place) for j, level in enumerate(levels) for i, place in enumerate(level.places)]
    return [place for _, _, place in sorted(ranked)]


def _seed(run: ReportedRun) -> float:
    return finite(run.config.get("seed")) or 0.0


def _extent(runs: Sequence[ReportedRun], levels: Sequence[Level]) -> str:
    """The numbers of runs, levels, images and the training time, in one sentence."""
    names = ", ".join(dict.fromkeys(str(run.facts.get("name", run.folder.name)) for run in runs))
    seeds = sorted({len(level.places) for level in levels})
    each = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    seen = sorted({int(run.facts.get("images_seen") or 0) for run in runs})
    images = significant(seen[0]) if len(seen) == 1 else f"{significant(seen[0])} to {significant(seen[-1])}"
    seconds = sum(float(cost(run).get("seconds") or 0) for run in runs)
    return (
        f"{len(runs)} runs ({names}): {len(levels)} level{'s' * (len(levels) != 1)} of {each} "
        f"run{'s' * (each != '1')} each, {images} images per run, {duration(seconds)} of training in total."
    )
