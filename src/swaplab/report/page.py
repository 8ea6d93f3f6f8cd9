"""The report of run folders: the page of one run or of several runs."""

from collections.abc import Sequence
from pathlib import Path

from swaplab.report.document import write_page
from swaplab.report.reading import ReportedRun, read_run, refuse_unequal_precision
from swaplab.report.run_page import render_run
from swaplab.report.runs_page import render_runs


def write_report(folders: Sequence[Path], output: Path, *, mixed_precision: bool = False) -> Path:
    """Write the report of run folders to ``output``.

    Raises UserError if a run cannot be read, if the file cannot be written, and for runs of different precision unless
    ``mixed_precision``.
    """
    runs = [read_run(folder, pictures=len(folders) == 1) for folder in folders]
    if not mixed_precision:
        refuse_unequal_precision(runs)
    write_page(output, render(runs))
    return output


def render(runs: Sequence[ReportedRun]) -> str:
    """The page as text."""
    return render_run(runs[0]) if len(runs) == 1 else render_runs(runs)
