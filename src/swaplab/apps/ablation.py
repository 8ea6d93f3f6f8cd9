"""swaplab-train ablation=NAME: every level with every seed of a plan that is stored before the first run."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.apps.words import CommandLine, as_truth, parsed

if TYPE_CHECKING:
    from swaplab.ablations.cells import Planned

PLAN_ONLY = "plan_only"
SLOTS = "hydra.launcher.slots"


def asked_for(line: CommandLine) -> bool:
    """Whether a command line asks for an ablation to be run; to show its config is Hydra's to answer."""
    return line.shown is None and _name(line) is not None


def _name(line: CommandLine) -> str | None:
    """The ablation that a command line names, of two the later one. UserError for several at once."""
    from swaplab.errors import UserError

    name = _last(line, "ablation", None)
    if name is not None and not isinstance(name, str):
        raise UserError("ablation names one ablation; start several one after another: ablation=NAME")
    return name


def plan_of(line: CommandLine) -> "Planned":
    """The plan that a command line asks for, with the configs of its cells. UserError for what cannot be planned."""
    from omegaconf import OmegaConf

    from swaplab.ablations.cells import planned
    from swaplab.config.compose import composer
    from swaplab.config.loader import concerns_hydra
    from swaplab.errors import UserError

    if line.several:
        raise UserError(
            "an ablation is a sweep already: leave out -m, and vary more with ablation.levels or another NAME"
        )
    name = str(_name(line))
    words = [word for word in parsed(line.overrides) if word.key_or_group not in (PLAN_ONLY, SLOTS)]
    for word in words:
        if concerns_hydra(word):
            raise UserError(f"{word.input_line}: of Hydra's own settings an ablation knows {SLOTS} alone; leave it out")
    own = [str(word.input_line) for word in words if word.key_or_group.split(".")[0] == "ablation"]
    others = [str(word.input_line) for word in words if word.key_or_group.split(".")[0] != "ablation"]
    compose = composer("train", line.folder)
    node: Any = OmegaConf.to_container(compose(own).ablation, resolve=True)
    found = planned(name, node, others, compose)
    check_metrics(found)
    return found


def check_metrics(found: "Planned") -> None:
    """UserError for a metric that no run has, or several of: it would be missed only after all runs."""
    from swaplab.catalogue import CATALOGUE, known
    from swaplab.errors import UserError

    for name in (found.plan.metric, *found.plan.guards):
        entry = known(name)
        if entry is None:
            raise UserError(
                f"ablation {found.plan.id}: no run has the metric {name!r}; choose among {', '.join(CATALOGUE)}"
            )
        if "[" not in name and entry.several:
            raise UserError(f"ablation {found.plan.id}: {name}[?] is one of {entry.several}; name one")


def slots_of(line: CommandLine) -> int | None:
    """How many devices are to be used at once; None: all. UserError for what is no number."""
    from swaplab.errors import UserError

    value = _last(line, SLOTS, None)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise UserError(f"{SLOTS}={value} is no number; give 1 or more")
    return value


def _last(line: CommandLine, key: str, default: Any) -> Any:
    given = [word.value() for word in parsed(line.overrides) if word.key_or_group == key]
    return given[-1] if given else default


def run_ablation(line: CommandLine) -> None:
    """Run the ablation of the command line, or go on with it; with ``plan_only=true`` show what would be run."""
    from swaplab.ablations.plan import refuse_another, store

    found, slots = plan_of(line), slots_of(line)
    config = next(iter(found.configs.values()))
    folder = Path(config["runs"]) / config["name"]
    if as_truth(PLAN_ONLY, _last(line, PLAN_ONLY, False)):
        show(found, folder)
        return
    from swaplab.apps.sweep import check_jobs
    from swaplab.sweeps.jobs import Job
    from swaplab.sweeps.runner import run_jobs

    refuse_another(folder, found.plan, found.cells)
    jobs = [
        Job(f"{found.plan.factor}={cell.level} seed={cell.seed}", found.configs[cell], found.plan.split)
        for cell in found.cells
    ]
    check_jobs(jobs)
    store(folder, found.plan, found.cells)
    outcomes = run_jobs(jobs, folder, slots=slots)
    if not all(outcome.ended for outcome in outcomes):
        raise SystemExit(1)
    print(f"judge it: {_report_command(found.plan.id, folder, line.folder)}")


def _report_command(name: str, folder: Path, plans: str | None) -> str:
    """How the ablation in a folder is judged: by its name where that finds folder and plan, else by the folder."""
    words = ["swaplab-report", *(["--config-dir", plans] if plans else []), f"ablation={name}"]
    if folder.name != name:
        words = ["swaplab-report", f"ablation={folder if folder.parent.name else f'./{folder}'}"]
    elif folder.parent != Path("runs"):
        words.append(f"runs={folder.parent}")
    return shlex.join(words)


def _status(folder: Path) -> str:
    from swaplab.runs.damage import Damaged
    from swaplab.runs.record import RunRecord, is_run

    try:
        return RunRecord.load(folder).status if is_run(folder) else "not begun"
    except Damaged as error:
        return str(error)


def show(found: "Planned", folder: Path) -> None:
    """Print a plan, its cells, and what is left to do of them."""
    from swaplab.runs.record import ENDED

    plan = found.plan
    rule = f"{', '.join(plan.comparisons)} against {plan.reference}: {plan.metric} {plan.contrast.direction}"
    within = f" within {plan.margin:g}" if plan.margin is not None else ""
    print(f"ablation {plan.id}: {plan.claim}\nhypothesis: {plan.hypothesis}\njudged by: {rule}{within}")
    images = 0
    for cell in found.cells:
        config = found.configs[cell]
        place = folder / cell.run_id
        status = _status(place)
        images += config["budget"]["images"] * (status not in ENDED)
        print(
            f"  {plan.factor}={cell.level} seed={cell.seed}: {' '.join(plan.levels[cell.level])} -> {place}: {status}"
        )
    print(f"{len(found.cells)} runs, {images} images to train on; nothing was started")
