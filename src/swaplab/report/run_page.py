"""The HTML page of one run: what was trained, the verdict, faces, then curves and tables."""

from collections.abc import Sequence

import yaml

from swaplab.report.comparison import costs, last_values
from swaplab.report.curves import learning_curves, spectrum
from swaplab.report.document import filled
from swaplab.report.evaluations import directions
from swaplab.report.faces import Showcase, compressed, of_training, showcases
from swaplab.report.questions import questions
from swaplab.report.reading import ReportedRun, unmeasured
from swaplab.report.summary import summary

NEWEST, EARLIER = 700, 300  # maximum widths of sheets over training, in pixels


def render_run(run: ReportedRun) -> str:
    """The page as text."""
    judged = run.evaluations[0] if run.evaluations else None
    ways, nothing = directions(run), unmeasured(run.folder)
    remarks = [remark for remark in run.remarks if remark != nothing]  # shown in place of the verdict
    curves = {f"curve-{i}": figure for i, figure in enumerate(learning_curves(run))}
    spectra = {f"spectrum-{i}": spectrum(way) for i, way in enumerate(ways) if way.spectrum}
    shown = showcases(run, judged, remarks) if judged else of_training(run)
    panels, heads = _panels(shown)
    return filled(
        "run.html.j2",
        curves | spectra,
        curves=list(curves),
        run=run,
        summary=summary(run),
        judged=judged,
        unmeasured=nothing,
        questions=questions(judged) if judged else [],
        showcases=shown,
        panels=panels,
        heads=heads,
        ways=ways,
        values=last_values([run]),
        samples=[
            *(compressed(sheet, EARLIER) for sheet in run.samples[:-1]),
            *(compressed(sheet, NEWEST) for sheet in run.samples[-1:]),
        ],
        remarks=[("", remark) for remark in remarks],
        costs=costs([run]),
        config=yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
    )


def _panels(shown: Sequence[Showcase]) -> tuple[list[str], dict[int, str]]:
    """The names of all panels, and the directions by the number of their first panel."""
    panels: list[str] = []
    heads = {}
    for each in shown:
        heads[len(panels) + 1] = each.direction
        panels += [*(view.name for view in each.views), *(["clip"] if each.clip else [])]
    return panels, heads
