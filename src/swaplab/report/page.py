"""One HTML file that shows runs and needs nothing but itself."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from swaplab.errors import UserError
from swaplab.report.comparison import costs, differing_keys, last_values
from swaplab.report.curves import Figure, learning_curves, line_of, spectrum
from swaplab.report.evaluations import Direction, directions, headlines
from swaplab.report.reading import ReportedRun, read_run
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.record import now


def write_report(folders: Sequence[Path], output: Path) -> Path:
    """Write the report of run folders to ``output``; UserError if a run cannot be read or the file not be written."""
    page = render([read_run(folder) for folder in folders])
    try:
        write_text_atomically(output, page)
    except OSError as error:
        raise UserError(
            f"the report {output} cannot be written ({error.strerror}); choose another with output=FILE.html"
        ) from None
    return output


def render(runs: Sequence[ReportedRun]) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    measured = [directions(run) for run in runs]
    figures = _figures(runs, measured)
    return environment.get_template("report.html.j2").render(
        runs=list(zip(runs, measured, strict=True)),
        lines=[line_of(i) for i in range(len(runs))],
        rendered=any(run.rendered for run in runs),
        remarks=_remarks(runs),
        headlines=[line for run in runs for line in headlines(run)],
        figures=figures,
        plotly=_plotly() if figures else "",
        differences=differing_keys(runs),
        configs=[yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True) for run in runs],
        values=last_values(runs),
        costs=costs(runs),
        version=metadata.version("swaplab"),
        time=now(),
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
    precisions = {str(run.environment.get("precision")) for run in runs}
    if len(precisions) > 1:
        text = f"these runs are of unequal precision ({', '.join(sorted(precisions))}): their numbers do not compare"
        remarks.insert(0, ("", text))
    return remarks


def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())
