"""swaplab ablation: questions that are planned before they are run, and judged by their plan."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swaplab.cli.words import CommandLine
from swaplab.errors import UserError
from swaplab.places import expanded

HELP = """
swaplab ablation: answer one question with a planned experiment: every level of a factor with every seed.

  swaplab ablation list                                    every question, and how far it is
  swaplab ablation plan bottleneck                         what would run, and what is left to do
  swaplab ablation run bottleneck                          run it, or resume it
  swaplab ablation run bottleneck budget.images=64000 name=more     your own version; overrides hold for every level
  swaplab ablation report bottleneck                       the verdict, by the plan stored before the first run
  swaplab ablation report runs/other output=other.md       of a folder, by its stored plan alone

plan and run take overrides as `swaplab train` does, and slots=N: how many devices to use at once (default: all).
list and report take runs=DIR; report also output=FILE (.html, .md, .csv) and mixed_precision=true.
--config-dir DIR adds plans of your own, DIR/ablation/NAME.yaml. What a verdict means: docs/comparison.md.
"""
ADVICE = "; the same command resumes"
SLOTS = "slots"


def run(words: Sequence[str]) -> None:
    """Do what the first word says."""
    if not words or words[0] not in COMMANDS:
        said = f"there is no subcommand {words[0]}" if words else "no subcommand given"
        raise UserError(f"{said}; write one of {', '.join(COMMANDS)}, see --help")
    line = CommandLine.parse(words[1:])
    if line.several:
        raise UserError("an ablation is a sweep already; drop -m, and set ablation.levels to vary more")
    if line.shown is not None:
        raise UserError("an ablation has many configs; `swaplab ablation plan NAME` shows what differs between them")
    COMMANDS[words[0]](line)


def list_plans(line: CommandLine) -> None:
    """Print every plan with its question and its state."""
    from swaplab.cli.ablation_runs import table
    from swaplab.config.commands import AblationList
    from swaplab.config.keys import parsed

    print(table(expanded(parsed(AblationList, line.overrides)["runs"]), line.folder))


def plan(line: CommandLine) -> None:
    """Print what a plan would run."""
    from swaplab.cli.ablation_runs import folder_of, planned_from, show

    name, overrides, _ = _asked(line, "plan")
    found = planned_from(name, overrides, line.folder)
    show(found, folder_of(found))


def run_plan(line: CommandLine) -> None:
    """Run a plan, or resume it."""
    from swaplab.cli.ablation_runs import run_ablation

    run_ablation(*_asked(line, "run"), plans=line.folder)


def report(line: CommandLine) -> None:
    """Judge an ablation by its stored plan.

    UserError if the file of conf/ablation that has its name now asks or judges otherwise. Named by its folder it is
    judged by the stored plan alone.
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
    """The plan of conf/ablation as it is now."""
    from omegaconf import OmegaConf

    from swaplab.ablations.plan import Plan
    from swaplab.config.compose import composer

    try:
        config = composer("train", plans)([f"ablation={name}"])
    except UserError as error:
        raise UserError(
            f"the plan of ablation {name} cannot be composed ({error}); write swaplab ablation report {Path('runs')}/"
            f"{name} to judge by the stored plan alone"
        ) from None
    node: Any = OmegaConf.to_container(config.ablation, resolve=True)
    return Plan.parse(name, node)


def _name_in(line: CommandLine, command: str) -> tuple[str, list[str]]:
    """The ablation that a command line names, and the words that follow. UserError without a name."""
    if not line.overrides or "=" in Path(line.overrides[0]).name:
        raise UserError(f"no ablation given; write swaplab ablation {command} NAME, see `swaplab ablation list`")
    return line.overrides[0], list(line.overrides[1:])


def _asked(line: CommandLine, command: str) -> tuple[str, tuple[str, ...], int | None]:
    """The name of a plan, overrides of every run, and how many devices to use at once (None: all)."""
    from swaplab.cli.train import NAMES

    name, words = _name_in(line, command)
    given = [word for word in words if word.startswith(f"{SLOTS}=")]
    for word in words:
        if "=" not in word and not word.startswith("~"):
            raise UserError(f"{word} is not KEY=VALUE; one ablation at a time: swaplab ablation {command} NAME")
        if word.lstrip("+~").partition("=")[0] == "ablation":
            raise UserError(f"{word}: the ablation is named once; write swaplab ablation {command} NAME")
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
