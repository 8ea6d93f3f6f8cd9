"""Several runs side by side as one HTML file."""

from collections.abc import Sequence

import yaml

from swaplab.report.comparison import costs, differing_keys, last_values
from swaplab.report.curves import colour_of, dash_of, learning_curves, spectrum
from swaplab.report.document import filled
from swaplab.report.evaluations import Direction, directions, headlines
from swaplab.report.figures import Figure, Series
from swaplab.report.reading import ReportedRun, precisions


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
