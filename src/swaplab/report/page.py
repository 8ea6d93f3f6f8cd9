"""One HTML file that shows runs and needs nothing but itself."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from swaplab.errors import UserError
from swaplab.report.comparison import costs, differing_keys, last_values
from swaplab.report.curves import Figure, learning_curves, line_of, spectrum
from swaplab.report.evaluations import Direction, directions, headlines
from swaplab.report.reading import ReportedRun, precisions, read_run, refuse_unequal_precision
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.record import now


def write_report(folders: Sequence[Path], output: Path, *, mixed_precision: bool = False) -> Path:
    """Write the report of run folders to ``output``.

    UserError if a run cannot be read, the file not be written, or runs are of unequal precision, unless that is wanted.
    """
    runs = [read_run(folder) for folder in folders]
    if not mixed_precision:
        refuse_unequal_precision(runs)
    write_page(output, render(runs))
    return output


def write_page(output: Path, text: str) -> None:
    """Write a report; UserError if its place cannot be written."""
    try:
        write_text_atomically(output, text)
    except OSError as error:
        raise UserError(
            f"the report {output} cannot be written ({error.strerror}); choose another with output=FILE.html"
        ) from None


def render(runs: Sequence[ReportedRun]) -> str:
    """The page as text."""
    measured = [directions(run) for run in runs]
    figures = _figures(runs, measured)
    return filled(
        "report.html.j2",
        figures,
        runs=list(zip(runs, measured, strict=True)),
        lines=[line_of(i) for i in range(len(runs))],
        rendered=any(run.rendered for run in runs),
        remarks=_remarks(runs),
        headlines=[line for run in runs for line in headlines(run)],
        differences=differing_keys(runs),
        configs=[yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True) for run in runs],
        values=last_values(runs),
        costs=costs(runs),
    )


def filled(template: str, figures: Mapping[str, Figure], **values: Any) -> str:
    """A template of this folder with its values, its figures, and what draws them."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plotly = _plotly() if figures else ""
    version = metadata.version("swaplab")
    return environment.get_template(template).render(
        figures=figures, plotly=plotly, version=version, time=now(), **values
    )


def _figures(runs: Sequence[ReportedRun], measured: Sequence[Sequence[Direction]]) -> dict[str, Figure]:
    """All figures by the name that their place in the page has."""
    figures = {f"curve-{i}": figure for i, figure in enumerate(learning_curves(runs))}
    for i, found in enumerate(measured):
        figures |= {f"spectrum-{i}-{j}": spectrum(way) for j, way in enumerate(found) if way.spectrum}
    return figures


def _remarks(runs: Sequence[ReportedRun]) -> list[tuple[str, str]]:
    """What to know first: (run, sentence); an empty run where it is about all of them."""
    remarks = [(run.label, remark) for run in runs for remark in run.remarks]
    unequal = precisions(runs)
    if len(unequal) > 1:
        text = f"these runs are of unequal precision ({', '.join(unequal)}): their numbers do not compare"
        remarks.insert(0, ("", text))
    if len({run.judged_by("test", "yardstick") for run in runs if run.evaluation("test")}) > 1:
        text = "these runs were measured against different people or faces: their scores and identities do not compare"
        remarks.insert(0, ("", text))
    return remarks


def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())
