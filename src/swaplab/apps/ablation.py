"""swaplab-train ablation=NAME: every level with every seed of a plan that is stored before the first run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swaplab.ablations.cells import Planned

PLAN_ONLY = "plan_only"
SLOTS = "hydra.launcher.slots"
_FOLDER_FLAGS = ("--config-dir", "-cd")


def asked_for(words: Sequence[str]) -> bool:
    """Whether a command line asks for an ablation to be run; ``--cfg job`` and the like are Hydra's to answer."""
    overrides, flags = split_words(words)
    named = any(word.startswith("ablation=") and word != "ablation=null" for word in overrides)
    return named and all(flag.partition("=")[0] in (*_FOLDER_FLAGS, "-m", "--multirun") for flag, _ in flags)


def split_words(words: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The overrides of a command line, and its flags with their values."""
    overrides: list[str] = []
    flags: list[tuple[str, str]] = []
    waiting = ""
    for word in words:
        if waiting:
            flags.append((waiting, word))
            waiting = ""
        elif word in _FOLDER_FLAGS:
            waiting = word
        elif word.startswith("-"):
            name, _, value = word.partition("=")
            flags.append((name, value))
        else:
            overrides.append(word)
    return overrides, flags


def plan_of(words: Sequence[str]) -> "Planned":
    """The plan that a command line asks for, with the configs of its cells. UserError for what cannot be planned."""
    from omegaconf import OmegaConf

    from swaplab.ablations.cells import key_of, planned
    from swaplab.config.compose import composing
    from swaplab.errors import UserError

    overrides, flags = split_words(words)
    if any(flag in ("-m", "--multirun") for flag, _ in flags):
        raise UserError(
            "an ablation is a sweep already: leave out -m, and vary more with ablation.levels or another NAME"
        )
    own = [word for word in overrides if key_of(word).split(".")[0] == "ablation"]
    others = [word for word in overrides if word not in own and key_of(word) not in (PLAN_ONLY, SLOTS)]
    for word in others:
        if word.lstrip("+~").startswith(("hydra.", "hydra/")):
            raise UserError(f"{word}: of Hydra's own settings an ablation knows {SLOTS} alone; leave it out")
    name = next(word.partition("=")[2] for word in own if word.startswith("ablation="))
    folders = [str(Path(value).absolute()) for flag, value in flags if flag in _FOLDER_FLAGS]
    with composing("train", folders) as compose:
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


def slots_of(words: Sequence[str]) -> int | None:
    """How many devices are to be used at once; None: all. UserError for what is no number."""
    from swaplab.errors import UserError

    given = [word.partition("=")[2] for word in words if word.startswith(f"{SLOTS}=")]
    if not given or given[-1] == "null":
        return None
    if not given[-1].isdecimal():
        raise UserError(f"{SLOTS}={given[-1]} is no number; give 1 or more")
    return int(given[-1])


def run_ablation() -> None:
    """Run the ablation of the command line, or go on with it; with ``plan_only=true`` show what would be run."""
    from swaplab.ablations.plan import refuse_another, store

    words = sys.argv[1:]
    found, slots = plan_of(words), slots_of(words)
    config = next(iter(found.configs.values()))
    folder = Path(config["runs"]) / config["name"]
    if f"{PLAN_ONLY}=true" in words:
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
    print(f"judge it: swaplab-report ablation={found.plan.id}")


def show(found: "Planned", folder: Path) -> None:
    """Print a plan, its cells, and what is left to do of them."""
    from swaplab.runs.record import ENDED, RunRecord

    plan = found.plan
    rule = f"{', '.join(plan.comparisons)} against {plan.reference}: {plan.metric} {plan.contrast.direction}"
    within = f" within {plan.margin:g}" if plan.margin is not None else ""
    print(f"ablation {plan.id}: {plan.claim}\nhypothesis: {plan.hypothesis}\njudged by: {rule}{within}")
    images = 0
    for cell in found.cells:
        config = found.configs[cell]
        place = folder / cell.run_id
        status = RunRecord.load(place).status if (place / "run.json").exists() else "not begun"
        images += config["budget"]["images"] * (status not in ENDED)
        print(
            f"  {plan.factor}={cell.level} seed={cell.seed}: {' '.join(plan.levels[cell.level])} -> {place}: {status}"
        )
    print(f"{len(found.cells)} runs, {images} images to train on; nothing was started")
