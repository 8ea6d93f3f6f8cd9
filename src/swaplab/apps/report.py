"""swaplab-report: run records as one HTML file: one run, several, levels over seeds, or an ablation that is judged."""

import sys
from typing import TYPE_CHECKING, Any

from swaplab.apps.command import composed, run_command
from swaplab.apps.words import CommandLine
from swaplab.places import expanded

if TYPE_CHECKING:
    from pathlib import Path

    from swaplab.report.study import Study

HELP = """
swaplab-report: show runs as one HTML file that needs no network, or judge an ablation.

  swaplab-report run=runs/quick/s1-0123456789
  swaplab-report run=runs/norm/s1-0123456789 run=runs/norm/s1-9876543210 output=norms.html
  swaplab-report ablation=norm                             the verdict, by the plan that was stored before its runs
  swaplab-report group=runs/sweep metric=val/reconstruction_mse     levels over seeds, without a verdict
  swaplab-report ablation=norm output=docs/ablations/norm.md
  swaplab-report ablation=runs/other                       of a folder of another name, by the stored plan alone

Tables, curves over images seen, sample sheets, config and cost. The run folders are the truth: the same command shows
them as they are now. An ablation and a group are written as HTML, Markdown and CSV; output=FILE writes the one form
that its ending names. What a verdict means: docs/comparison.md.
Options (KEY=VALUE): run, ablation, group, runs, metric, mixed_precision, output (report.html in the folder of a single
run, of an ablation or of a group, else here).
"""
FORMS = (".html", ".md", ".csv")


def main() -> None:
    """Entry point."""
    run_command("swaplab-report", HELP, _start)


def _start() -> None:
    line = CommandLine.parse(sys.argv[1:])
    for config in composed("report", ("output", "ablation", "runs", "metric"), ("run", "group"), line=line):
        report(**config, plans=line.folder)


def report(
    run: list[str] | None,
    ablation: str | None,
    group: list[str] | None,
    runs: str,
    metric: str | None,
    mixed_precision: bool,
    output: str | None,
    plans: str | None = None,
) -> None:
    """Write the report of what is named and print where it is. ``plans``: a config folder besides ours."""
    from swaplab.errors import UserError

    named = {"run": run, "ablation": ablation, "group": group}
    if sum(value is not None for value in named.values()) != 1:
        raise UserError(
            "name what is to be shown: one of run=DIR, group=DIR and ablation=NAME, see --help for examples"
        )
    if metric is not None and group is None:
        raise UserError(f"metric={metric} is for group=DIR; of an ablation the plan names it")
    if run is not None:
        report_runs(run, mixed_precision, output)
    elif ablation is not None:
        report_ablation(ablation, runs, mixed_precision, output, plans)
    elif group is not None:
        report_group(group, metric, mixed_precision, output)


def report_runs(run: list[str], mixed_precision: bool, output: str | None) -> None:
    """Run folders side by side, without grouping."""
    from pathlib import Path

    from swaplab.report.page import write_report

    folders = _folders(run)
    beside = folders[0] if len(folders) == 1 else Path()
    place = beside / "report.html" if output is None else expanded(output)
    path = write_report(folders, place, mixed_precision=mixed_precision)
    print(f"report: {path}")


def report_ablation(
    ablation: str, runs: str, mixed_precision: bool, output: str | None, plans: str | None = None
) -> None:
    """Judge an ablation by its stored plan.

    UserError if the file of conf/ablation that has its name now asks or judges otherwise. Named by its folder it is
    judged by the stored plan alone.
    """

    from swaplab.report.study import agree, read_ablation

    by_folder = "/" in ablation
    folder = expanded(ablation) if by_folder else expanded(runs) / ablation
    study = read_ablation(folder, mixed_precision=mixed_precision)
    assert study.plan is not None
    if not by_folder:
        agree(study.plan, _plan_now(study.plan.id, plans), folder)
    _write(study, folder, output)


def _plan_now(name: str, plans: str | None) -> Any:
    """The plan of conf/ablation as it is now."""
    from omegaconf import OmegaConf

    from swaplab.ablations.plan import Plan
    from swaplab.config.compose import composer
    from swaplab.errors import UserError

    try:
        config = composer("train", plans)([f"ablation={name}"])
    except UserError as error:
        raise UserError(
            f"the plan of ablation {name} cannot be composed ({error}); name its folder, ablation=RUNS/{name}, to "
            f"judge by the stored plan alone"
        ) from None
    node: Any = OmegaConf.to_container(config.ablation, resolve=True)
    return Plan.parse(name, node)


def report_group(group: list[str], metric: str | None, mixed_precision: bool, output: str | None) -> None:
    """Levels over seeds of runs that had no plan: shown, not judged."""
    from pathlib import Path

    from swaplab.report.study import read_group

    folders = _folders(group)
    study = read_group(folders, metric, mixed_precision=mixed_precision)
    _write(study, folders[0] if len(folders) == 1 else Path(), output)


def _write(study: "Study", folder: "Path", output: str | None) -> None:
    """Write and print where, and what the verdict is."""

    from swaplab.report.study_page import findings, write_study

    found = findings(study)
    places = [folder / f"report{form}" for form in FORMS] if output is None else [expanded(output)]
    write_study(found, places)
    for sentence in found.sentences:
        print(sentence)
    if found.verdict:
        print(f"verdict: {found.verdict}")
    print(f"report: {', '.join(map(str, places))}")


def _folders(names: list[str]) -> "list[Path]":

    return [expanded(name) for name in dict.fromkeys(names)]


if __name__ == "__main__":
    main()
