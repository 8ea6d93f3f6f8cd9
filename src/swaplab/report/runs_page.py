"""Several runs side by side as one HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from swaplab.report.comparison import costs, differing_keys, last_values
from swaplab.report.curves import POINTS, colour_of, dash_of, over_images, panel_of, spectrum, thinned
from swaplab.report.document import filled
from swaplab.report.evaluations import Direction, directions, interval_text, named, pretty
from swaplab.report.figures import Figure, Series
from swaplab.report.numbers import measured
from swaplab.report.reading import ReportedRun, finite, precisions


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


def render_runs(runs: Sequence[ReportedRun]) -> str:
    """The page as text."""
    measured = [directions(run) for run in runs]
    return filled(
        "runs.html.j2",
        _figures(runs, measured),
        runs=list(zip(runs, measured, strict=True)),
        labels=[run.label for run in runs],
        lines=[Series(run.label, (), (), colour_of(i), dash_of(i)) for i, run in enumerate(runs)],
        rendered=any(run.rendered for run in runs),
        remarks=_remarks(runs),
        headlines=[line for run in runs for line in headlines(run)],
        differences=differing_keys(runs),
        configs=[yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True) for run in runs],
        values=last_values(runs),
        costs=costs(runs),
    )


def _figures(runs: Sequence[ReportedRun], measured: Sequence[Sequence[Direction]]) -> dict[str, Figure]:
    """All figures by the name that their place in the page has."""
    figures = {f"curve-{i}": figure for i, figure in enumerate(learning_curves(runs))}
    for i, found in enumerate(measured):
        figures |= {f"spectrum-{i}-{j}": spectrum(way) for j, way in enumerate(found) if way.spectrum}
    return figures


def _remarks(runs: Sequence[ReportedRun]) -> list[tuple[str, str]]:
    """What to know first: (run, sentence); an empty run where it is about all of them."""
    remarks = [(run.label if len(runs) > 1 else "", remark) for run in runs for remark in run.remarks]
    unequal = precisions(runs)
    if len(unequal) > 1:
        text = f"these runs are of unequal precision ({', '.join(unequal)}): their numbers do not compare"
        remarks.insert(0, ("", text))
    if len({run.judged_by("test", "yardstick") for run in runs if run.evaluation("test")}) > 1:
        text = "these runs were measured against different people or faces: their scores and identities do not compare"
        remarks.insert(0, ("", text))
    return remarks


def headlines(run: ReportedRun) -> list[Headline]:
    """One line a direction, of the final weights on the test split or, without those, of the first there are."""
    if not run.evaluations:
        return []
    content = run.evaluations[0]
    return [_headline(run.label, content, found) for found in content["directions"]]


def _headline(label: str, content: dict[str, Any], found: dict[str, Any]) -> Headline:
    values = {row["key"]: row["values"] for row in found["rows"]}
    best = values.get(found["metrics"].get("psnr", {}).get("best_trivial"), {})
    model, kept = values.get("model", {}), values.get("colour_match", {})
    top1, identity = named(model, "retrieval_top1[mixed]"), named(model, "identity[", "identity")
    return Headline(
        run=label,
        direction=pretty(found["direction"]),
        weights=content["weights"],
        split=content["split"],
        score=measured("score", model.get("score")),
        interval=interval_text("score", found.get("intervals", {}).get("score")),
        psnr=measured("psnr", model.get("psnr")),
        trivial_psnr=measured("psnr", best.get("psnr")),
        top1=measured(top1, model.get(top1)),
        kept=measured(top1, kept.get(top1)),
        chance=measured(top1, found["metrics"].get(top1, {}).get("chance")),
        identity=measured(identity, model.get(identity)),
    )


def learning_curves(runs: Sequence[ReportedRun]) -> list[Figure]:
    """One figure a metric over images seen, all runs in it: validation, then losses, then speed."""
    names = list(dict.fromkeys(name for run in runs for name in run.series if not _repeats(runs, name)))
    names.sort(key=panel_of)
    return [_learning_curve(runs, name) for name in names]


def _repeats(runs: Sequence[ReportedRun], name: str) -> bool:
    """Whether a weighted loss is everywhere the raw one."""
    raw = name.removesuffix("_weighted")
    return raw != name and all(finite(row.get(name)) == finite(row.get(raw)) for run in runs for row in run.rows)


def _learning_curve(runs: Sequence[ReportedRun], name: str) -> Figure:
    series = []
    for index, run in enumerate(runs):
        points = thinned([(row["images_seen"], finite(row[name])) for row in run.rows if name in row])
        if points:
            xs, ys = zip(*points, strict=True)
            mark = 2.5 if len(points) <= POINTS else 0.0
            series.append(Series(run.label, xs, ys, colour_of(index), dash_of(index), mark=mark))
    return over_images(name, series, runs)
