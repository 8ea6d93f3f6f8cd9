"""swaplab-report: one or several run records as one HTML file."""

from typing import Any

from swaplab.apps.command import composed, run_command

HELP = """
swaplab-report: show one run or several, side by side, as one HTML file that needs no network.

  swaplab-report run=runs/quick/s1-0123456789
  swaplab-report run=[runs/norm/s1-0123456789,runs/norm/s1-9876543210] output=norms.html

Tables, curves over images seen, sample sheets, config and cost. The run folders are the truth: the same command shows
them as they are now. Options (KEY=VALUE): run, output (report.html in the folder of a single run, else here).
"""


def main() -> None:
    """Entry point."""
    run_command("swaplab-report", HELP, _start)


def _start() -> None:
    for config in composed("report", literal=("output",)):
        report_runs(**config)


def report_runs(run: Any, output: Any) -> None:
    """Write the report of the named run folders and print where it is."""
    from pathlib import Path

    from swaplab.errors import UserError
    from swaplab.report.page import write_report

    named = run if isinstance(run, list) else [run]
    if not named or not all(isinstance(name, str) for name in named):
        raise UserError(f"run={run} names no run folders; write run=DIR or run=[DIR1,DIR2]")
    folders = [Path(name).expanduser() for name in dict.fromkeys(named)]
    beside = folders[0] if len(folders) == 1 else Path()
    path = write_report(folders, beside / "report.html" if output is None else Path(str(output)).expanduser())
    print(f"report: {path}")


if __name__ == "__main__":
    main()
