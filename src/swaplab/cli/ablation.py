"""swaplab ablation: experiments whose plan is stored before the first run and decides the verdict."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swaplab.cli.words import CommandLine
from swaplab.errors import UserError
from swaplab.places import expanded

HELP = """
swaplab ablation: answer one question with a planned experiment: every level of a factor with every seed.

  swaplab ablation list                                    all ablations with their progress
  swaplab ablation plan bottleneck                         show the runs, and which are left
  swaplab ablation run bottleneck                          run or resume it
  swaplab ablation run bottleneck budget.images=64000 name=more     your own version, with overrides of all runs
  swaplab ablation report bottleneck                       the verdict, by the plan stored before the first run
  swaplab ablation report runs/other output=other.md       the verdict of a folder, by its stored plan alone

plan and run take the overrides of `swaplab train`, and slots=N: number of devices to use at once (default: all).
list and report take runs=DIR; report also takes output=FILE (.html, .md, .csv) and mixed_precision=true.
--config-dir DIR adds your own plans, DIR/ablation/NAME.yaml. docs/comparison.md explains the verdicts.
"""
ADVICE = "; the same command resumes"
SLOTS = "slots"


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
    from swaplab.cli.ablation_runs import table
    from swaplab.config.commands import AblationList
    from swaplab.config.keys import parsed

    print(table(expanded(parsed(AblationList, line.overrides)["runs"]), line.folder))


def plan(line: CommandLine) -> None:
    """Print the runs of a plan."""
    from swaplab.cli.ablation_runs import folder_of, planned_from, show

    name, overrides, _ = _asked(line, "plan")
    found = planned_from(name, overrides, line.folder)
    show(found, folder_of(found))


def run_plan(line: CommandLine) -> None:
    """Run or resume a plan."""
    from swaplab.cli.ablation_runs import run_ablation

    run_ablation(*_asked(line, "run"), plans=line.folder)


def report(line: CommandLine) -> None:
    """Write the report of an ablation with the verdict by its stored plan.

    Raises UserError if the current file in conf/ablation with that name differs from the stored plan. If a folder is
    given, only the stored plan counts.
    """
    from swaplab.cli.report import write
    from swaplab.config.commands import AblationReport
    from swaplab.config.keys import parsed
    from swaplab.report.study import agree, read_ablation

    name, words = _name_in(line, "report")
    config = parsed(AblationReport, words)
    by_folder = "/" in name
    folder = expanded(name) if by_folder else expanded(config["runs"]) / name
    study = read_ablation(folder, mixed_precision=config["mixed_precision"])
    assert study.plan is not None
    if not by_folder:
        agree(study.plan, _plan_now(study.plan.id, line.folder), folder)
    write(study, folder, config["output"])


def _plan_now(name: str, plans: str | None) -> Any:
    """The current plan in conf/ablation."""
    from omegaconf import OmegaConf

    from swaplab.ablations.plan import Plan
    from swaplab.config.compose import composer

    try:
        config = composer("train", plans)([f"ablation={name}"])
    except UserError as error:
        raise UserError(
            f"the plan of ablation {name} cannot be composed ({error}); to use the stored plan alone, run "
            f"swaplab ablation report runs/{name}"
        ) from None
    node: Any = OmegaConf.to_container(config.ablation, resolve=True)
    return Plan.parse(name, node)


def _name_in(line: CommandLine, command: str) -> tuple[str, list[str]]:
    """The name of the ablation and the other arguments. Raises UserError without a name."""
    if not line.overrides or "=" in Path(line.overrides[0]).name:
        raise UserError(f"no ablation given; run swaplab ablation {command} NAME, see `swaplab ablation list`")
    return line.overrides[0], list(line.overrides[1:])


def _asked(line: CommandLine, command: str) -> tuple[str, tuple[str, ...], int | None]:
    """The name of a plan, the overrides of all runs, and the number of devices to use at once (None: all)."""
    from swaplab.cli.train import NAMES

    name, words = _name_in(line, command)
    given = [word for word in words if word.startswith(f"{SLOTS}=")]
    for word in words:
        if "=" not in word and not word.startswith("~"):
            raise UserError(f"{word} is not KEY=VALUE; name one ablation only: swaplab ablation {command} NAME")
        if word.lstrip("+~").partition("=")[0] == "ablation":
            raise UserError(
                f"{word}: the ablation is already named; remove this, as in swaplab ablation {command} NAME"
            )
    overrides = CommandLine(tuple(word for word in words if word not in given)).with_names(NAMES).overrides
    return name, overrides, _slots(given)


def _slots(given: Sequence[str]) -> int | None:
    if not given:
        return None
    value = given[-1].removeprefix(f"{SLOTS}=")
    if not value.isdecimal() or int(value) < 1:
        raise UserError(f"{SLOTS}={value} must be a whole number of at least 1")
    return int(value)


COMMANDS: dict[str, Callable[[CommandLine], None]] = {
    "list": list_plans,
    "plan": plan,
    "run": run_plan,
    "report": report,
}
