"""One run as one HTML file: what was trained, whether its swap is good, how it looks, then what that rests on."""

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

NEWEST, EARLIER = 700, 300  # pixels that a sheet over training is wide at most


def render_run(run: ReportedRun) -> str:
    """The page as text."""
    judged = run.evaluations[0] if run.evaluations else None
    ways, nothing = directions(run), unmeasured(run.folder)
    remarks = [remark for remark in run.remarks if remark != nothing]  # which stands in the verdict's place
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
    """The names of all that a reader can switch between, and before which of them a direction begins."""
    panels: list[str] = []
    heads = {}
    for each in shown:
        heads[len(panels) + 1] = each.direction
        panels += [*(view.name for view in each.views), *(["clip"] if each.clip else [])]
    return panels, heads
