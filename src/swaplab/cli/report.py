"""swaplab report: an HTML page of one run, several runs, or levels over seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swaplab.config.commands import Report as KEYS
from swaplab.errors import UserError
from swaplab.places import expanded

if TYPE_CHECKING:
    from swaplab.report.study import Study

HELP = """
swaplab report: show runs on one HTML page that needs no network.

  swaplab report run=last
  swaplab report run=norm/s1-0123456789 run=norm/s1-9876543210 output=norms.html
  swaplab report group=runs/sweep metric=val/reconstruction_mse     levels over seeds, without a verdict

The page shows the current state of the run folders; run the same command to update it. A group is written as HTML,
Markdown and CSV, or in the format of output=FILE. For the verdict of an ablation use `swaplab ablation report NAME`.
"""
FORMS = (".html", ".md", ".csv")


def run(words: Sequence[str]) -> None:
    """Write the report and print its path."""
    from swaplab.config.keys import parsed
    from swaplab.runs.naming import run_folder

    config = parsed(KEYS, words)
    runs, group, metric, output = (config[key] for key in ("run", "group", "metric", "output"))
    if (runs is None) == (group is None):
        raise UserError("set either run=RUN or group=DIR, see --help for examples")
    if group is not None:
        report_group([expanded(name) for name in dict.fromkeys(group)], metric, config["mixed_precision"], output)
        return
    if metric is not None:
        raise UserError(f"metric={metric} is for group=DIR only; remove it")
    folders = list(dict.fromkeys(run_folder(expanded(config["runs"]), name) for name in runs))
    report_runs(folders, config["mixed_precision"], output)


def report_runs(folders: Sequence[Path], mixed_precision: bool, output: str | None) -> None:
    """Write the page of one run or several runs, without grouping."""
    from swaplab.report.page import write_report

    beside = folders[0] if len(folders) == 1 else Path()
    place = beside / "report.html" if output is None else expanded(output)
    print(f"report: {write_report(folders, place, mixed_precision=mixed_precision)}")


def report_group(folders: Sequence[Path], metric: str | None, mixed_precision: bool, output: str | None) -> None:
    """Write the report of levels over seeds, without a plan and so without a verdict."""
    from swaplab.report.study import read_group

    study = read_group(folders, metric, mixed_precision=mixed_precision)
    write(study, folders[0] if len(folders) == 1 else Path(), output)


def write(study: "Study", folder: Path, output: str | None) -> None:
    """Write the files of a study; print findings, verdict and paths."""
    from swaplab.report.study_page import findings, write_study

    found = findings(study)
    places = [folder / f"report{form}" for form in FORMS] if output is None else [expanded(output)]
    write_study(found, places)
    for sentence in found.sentences:
        print(sentence)
    if found.verdict:
        print(f"verdict: {found.verdict}")
    print(f"report: {', '.join(map(str, places))}")
