"""A study as HTML, Markdown and CSV: the plan, the verdict, then the details."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swaplab.catalogue import OF_A_RUN
from swaplab.errors import UserError
from swaplab.report.document import filled, write_page
from swaplab.report.factors import Level
from swaplab.report.figures import Figure
from swaplab.report.forest import forest
from swaplab.report.grids import (
    Grid,
    beside_anchors,
    best_of,
    config_differences,
    counts,
    directions_apart,
    every_seed,
    guard_differences,
    interval,
    level_costs,
    signed,
    tails,
    verdicts,
)
from swaplab.report.level_curves import legend_lines, level_curves
from swaplab.report.matrix import Matrix, drawn, level_matrices, panel_names, save_picture, strips
from swaplab.report.numbers import measured
from swaplab.report.outcomes import Outcome, by_direction, guards, judgements, numbers, outcome
from swaplab.report.ranking import Ranking, ranking
from swaplab.report.reading import finite
from swaplab.report.study import Study
from swaplab.report.study_figures import colour, quality_against_cost, seed_points
from swaplab.report.unequal import JUDGED
from swaplab.runs.verdict import Judgement, overall
from swaplab.tables import markdown as markdown_table

SUFFIXES = (".html", ".md", ".csv")
WORDS = {
    "higher": "higher than",
    "lower": "lower than",
    "equal": "equal within the margin to",
    "different": "different from",
}


@dataclass(frozen=True)
class Findings:
    """The results of a study. ``verdict``: empty without a plan. ``sentences``: one per comparison."""

    study: Study
    primary: Outcome
    verdict: str
    sentences: list[str]
    answers: list[Grid]
    details: list[Grid]
    judged: list[Judgement]
    matrices: list[Matrix]


def findings(study: Study) -> Findings:
    """The results of a study. Raises UserError for a metric that no run has or whose name is ambiguous."""
    primary, others = outcome(study, study.metric), guards(study)
    if study.plan is None and not primary.names:
        raise UserError(f"no run of {study.title} has the metric {study.metric}; choose another with metric=NAME")
    judged = judgements(study, primary)
    best = _best_metric(study)
    of_evaluation = [each for each in (primary, *others) if not each.name.startswith(OF_A_RUN)]
    grids = [every_seed(study, primary), counts(study, primary)]
    if of_evaluation:
        grids += [beside_anchors(study, of_evaluation), directions_apart(study, primary)]
    if study.reference is not None:
        grids.append(guard_differences(study, others))
    grids += [level_costs(study, best), tails(study), best_of(study, primary), config_differences(study)]
    kept = [grid for grid in grids if grid.head and grid.rows]
    return Findings(
        study=study,
        primary=primary,
        verdict=overall(judged) if judged else "",
        sentences=[_sentence(study, primary, each) for each in judged],
        answers=[verdicts(study, primary)] if judged else [],
        details=kept,
        judged=judged,
        matrices=level_matrices(study),
    )


def _best_metric(study: Study) -> str:
    """The validation metric of the runs' configs."""
    configs = [run.config.get("checkpoint") or {} for run in study.runs.values()]
    return str(next((config["best"] for config in configs if "best" in config), "val/reconstruction_mse"))


def _sentence(study: Study, primary: Outcome, each: Judgement) -> str:
    """A comparison in words, with all reasons."""
    statement = f"{primary.name} of {each.level} is {WORDS[each.direction]} that of {study.reference}"
    seeds = len(each.pairs.differences)
    found = "no difference available"
    if each.mean is not None:
        found = f"mean difference {signed(primary.name, each.mean)} over {seeds} seed{'s' * (seeds != 1)}"
    if each.low is not None:
        found += f", interval {interval(primary.name, each.low, each.high)}"
    return "; ".join([f"{each.verdict}: {statement} ({found})", *each.reasons])


def plan_lines(study: Study) -> list[tuple[str, str]]:
    """The fields of the plan, by name."""
    plan = study.plan
    if plan is None:
        return []
    contrast = f"{plan.contrast.level or 'every level'}, {plan.contrast.direction}, against {plan.reference}"
    if plan.contrast.level is None:
        contrast += f" (Holm over {len(plan.comparisons)} comparisons)"
    return [
        ("statement", plan.claim),
        ("hypothesis", plan.hypothesis),
        ("levels", "; ".join(f"{level}: {' '.join(words) or 'base'}" for level, words in plan.levels.items())),
        ("contrast", contrast),
        ("metric", f"{plan.metric}, {plan.split} split" if plan.split else plan.metric),
        *([("margin", measured(plan.metric, plan.margin))] if plan.margin is not None else []),
        ("guards", ", ".join(plan.guards) or "none"),
        ("seeds", ", ".join(map(str, plan.seeds))),
        ("base", " ".join(plan.base)),
        ("stored", f"{study.stored} (digest {plan.digest}), before the first run"),
    ]


def write_study(found: Findings, outputs: Sequence[Path]) -> None:
    """Write the report to each path in the format of its suffix: .html, .md (with sample pictures beside it), .csv.

    Raises UserError for another suffix, before writing anything, and for a file that cannot be written.
    """
    for path in outputs:
        if path.suffix not in SUFFIXES:
            raise UserError(
                f"the report {path} must end in {', '.join(SUFFIXES)}; choose another file with output=FILE"
            )
    for path in outputs:
        if path.suffix == ".html":
            write_page(path, html(found))
        elif path.suffix == ".csv":
            write_page(path, table(found.study))
        else:
            places = [path.with_name(f"{path.stem}-samples-{i}.png") for i in range(1, len(found.matrices) + 1)]
            write_page(path, markdown(found, [place.name for place in places]))
            for matrix, place in zip(found.matrices, places, strict=True):
                save_picture(drawn(matrix), place)


def html(found: Findings) -> str:
    """The page as text."""
    study, plan = found.study, found.study.plan
    by_level = {level: study.of(level) for level in study.levels}
    costs = {f"cost-{i}": figure for i, figure in enumerate(quality_against_cost(study, found.primary))}
    figures: dict[str, Figure] = {"seeds": seed_points(study, found.primary)} | costs
    figures |= {f"curve-{i}": figure for i, figure in enumerate(level_curves(by_level))}
    margin = plan.margin if plan else None
    return filled(
        "study.html.j2",
        figures,
        found=found,
        study=study,
        plan=plan_lines(study),
        forest=forest(found.primary.name, str(study.reference), found.judged, margin) if found.judged else None,
        colours={level: colour(study, level) for level in study.levels},
        costs={name: figure.title for name, figure in costs.items()},
        marks={line.name: line for line in legend_lines(by_level)},
        curve_ids=[name for name in figures if name.startswith("curve-")],
        ranking=_ranking(study, found.primary.name),
        matrices=[(each, strips(each, down=False)) for each in found.matrices],
        ways=panel_names(found.matrices),
        differences=[(each, each.named(study.labels)) for each in study.unequal],
        remarks=[("", remark) for remark in study.remarks],
        rendered=any(run.rendered for run in study.runs.values()),
    )


def _ranking(study: Study, metric: str) -> Ranking:
    """All runs of the study as one table, sorted by ``metric``, best first."""
    keys = list(study.runs)
    levels = []
    for label in study.levels:
        places = tuple(i for i, (level, _) in enumerate(keys) if level == label)
        if places:
            levels.append(Level(label, tuple(factor.values[places[0]] for factor in study.factors), places))
    anchored = not any(each.what in JUDGED for each in study.unequal)
    runs = list(study.runs.values())
    return ranking(runs, study.factors, levels, study.labels, study.split, anchored=anchored, metric=metric)


def markdown(found: Findings, pictures: Sequence[str] = ()) -> str:
    """The report as Markdown, without figures. ``pictures``: file names of the sample pictures."""
    study = found.study
    parts = [f"# {study.title}"]
    parts += ["\n".join(f"- **{name}**: {_plain(text)}" for name, text in plan_lines(study))] if study.plan else []
    if found.verdict:
        parts += [f"## Verdict: {found.verdict}", "\n".join(f"- {_plain(text)}" for text in found.sentences)]
    else:
        parts += ["These runs have no stored plan, so there is no verdict."]
    remarks = [each.sentence(study.labels) for each in study.unequal] + study.remarks
    if remarks:
        parts += ["## Warnings", "\n".join(f"- {_plain(text)}" for text in remarks)]
    for grid in (*found.answers, *found.details):
        parts += [f"## {_plain(grid.title)}", _markdown_table(grid), _plain(grid.note)]
    if pictures:
        parts.append("## Samples")
        parts += [f"![{p.caption}]({name})\n\n{p.caption}" for p, name in zip(found.matrices, pictures, strict=True)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(grid: Grid) -> str:
    lines = [[grid.corner, *grid.head]]
    lines += [[name, *(f"{i.text} ({i.small})" if i.small else i.text for i in items)] for name, items in grid.rows]
    return markdown_table([[_plain(cell) for cell in line] for line in lines], right=range(1, len(lines[0])))


def _plain(text: str) -> str:
    """Escape text that would break a Markdown table or be read as HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(study: Study) -> str:
    """CSV with one row per run, direction and metric; direction is empty for metrics without one."""
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(("study", "factor", "level", "seed", "run", "status", "split", "direction", "metric", "value"))
    for level in study.levels:
        for seed in study.seeds:
            run = study.runs.get((level, seed))
            head = (study.title, study.factor, level, seed)
            if run is None:
                rows.writerow((*head, "", "not started", "", "", "", ""))
                continue
            known = (*head, run.folder.name, run.status)
            for name, value in numbers(run, None).items():
                rows.writerow((*known, "", "", name, _csv(value)))
            for direction, values in by_direction(run, study.split):
                for name, value in values.items():
                    rows.writerow((*known, study.split, direction, name, _csv(value)))
    return file.getvalue()


def _csv(value: object) -> object:
    return value if finite(value) is not None else "nan"
