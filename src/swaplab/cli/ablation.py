"""swaplab ablation: experiments whose plan is stored before the first run and decides the verdict."""

from collections.abc import Sequence
from pathlib import Path

from swaplab.cli.words import CommandLine
from swaplab.errors import UserError
from swaplab.places import expanded

HELP = """
swaplab ablation: answer one question with a planned experiment: every level of a factor with every seed.

  swaplab ablation list                                    all ablations with their progress
  swaplab ablation plan bottleneck                         show the runs, and which are left
  swaplab ablation run bottleneck                          run or resume it
  swaplab ablation run bottleneck budget.images=64000 name=more     your own version, with overrides of all runs
  swaplab ablation run bottleneck hydra/launcher=submitit_slurm     on a cluster
  swaplab ablation report bottleneck                       the verdict, by the plan stored before the first run
  swaplab ablation report runs/other output=other.md       the verdict of a folder, by its stored plan alone

plan and run take the overrides of `swaplab train`, and those of a launcher (docs/sweeps.md). list and report take
runs=DIR; report also takes output=FILE (.html, .md, .csv) and mixed_precision=true. --config-dir DIR adds your own
plans, DIR/ablation/NAME.yaml. docs/comparison.md explains the verdicts.
"""
ADVICE = "; the same command resumes"


def run(words: Sequence[str]) -> None:
    """Run the subcommand."""
    if not words or words[0] not in COMMANDS:
        said = f"there is no subcommand {words[0]}" if words else "no subcommand given"
        raise UserError(f"{said}; choose from {', '.join(COMMANDS)}, see --help")
    line = CommandLine.parse(words[1:])
    if line.several:
        raise UserError("an ablation is a sweep already; remove -m, and set ablation.levels to vary more")
    if line.shown is not None:
        raise UserError("--cfg shows one config, but an ablation has many; use `swaplab ablation plan NAME`")
    COMMANDS[words[0]](line)


def list_plans(line: CommandLine) -> None:
    """Print all plans with progress and statement."""
    from swaplab.ablations.progress import table
    from swaplab.config.commands import AblationList
    from swaplab.config.keys import parsed

    print(table(expanded(parsed(AblationList, line.overrides)["runs"]), line.folder))


def plan(line: CommandLine) -> None:
    """Print the runs of a plan."""
    from swaplab.ablations.files import planned_from
    from swaplab.ablations.progress import description

    name, words = _named(line, "plan")
    print(description(planned_from(name, words, line.folder)))


def run_plan(line: CommandLine) -> None:
    """Run or resume a plan, and print the command of its report."""
    from swaplab.ablations.files import planned_from
    from swaplab.ablations.running import report_command, run_ablation

    name, words = _named(line, "run")
    found = planned_from(name, words, line.folder)
    if not run_ablation(found, words, line.folder):
        raise SystemExit(1)
    print(f"for the verdict, run: {report_command(found.plan.id, found.folder, line.folder)}")


def report(line: CommandLine) -> None:
    """Write the report, with the verdict by the stored plan. If a name is given, the current plan must equal it."""
    from swaplab.ablations.files import plan_of
    from swaplab.cli.report import write
    from swaplab.config.commands import AblationReport
    from swaplab.config.keys import parsed
    from swaplab.report.study import agree, read_ablation

    name, words = _named(line, "report")
    config = parsed(AblationReport, words)
    folder = expanded(name) if "/" in name else expanded(config["runs"]) / name
    study = read_ablation(folder, mixed_precision=config["mixed_precision"])
    if "/" not in name:
        assert study.plan is not None
        agree(study.plan, plan_of(study.plan.id, line.folder), folder)
    write(study, folder, config["output"])


def _named(line: CommandLine, command: str) -> tuple[str, list[str]]:
    """The name of the ablation and the other arguments. Raises UserError without a name."""
    from swaplab.cli.train import NAMES

    name, *words = line.with_names(NAMES).overrides or ("",)
    if not name or "=" in Path(name).name:
        raise UserError(f"no ablation given; run swaplab ablation {command} NAME, see `swaplab ablation list`")
    return name, words


COMMANDS = {"list": list_plans, "plan": plan, "run": run_plan, "report": report}
