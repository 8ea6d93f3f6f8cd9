"""The runs of an ablation: compose them, store the plan before the first run, run and resume them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.errors import UserError

if TYPE_CHECKING:
    from swaplab.ablations.cells import Planned


def planned_from(name: str, overrides: Sequence[str], plans: str | None) -> "Planned":
    """A plan with the configs of its cells. ``overrides``: of all cells. ``plans``: a folder with additional plans.

    Raises UserError for an unknown name and an invalid plan or override.
    """
    from omegaconf import OmegaConf

    from swaplab.ablations.cells import planned
    from swaplab.cli.words import parsed
    from swaplab.config.compose import composer
    from swaplab.config.loader import concerns_hydra

    if name not in names(plans):
        raise UserError(f"there is no ablation {name}; {_nearest(name, names(plans))}")
    words = parsed(overrides)
    for word in words:
        if concerns_hydra(word):
            raise UserError(f"{word.input_line}: an ablation takes none of Hydra's own settings; remove it")
    own = [str(word.input_line) for word in words if word.key_or_group.split(".")[0] == "ablation"]
    others = [str(word.input_line) for word in words if word.key_or_group.split(".")[0] != "ablation"]
    compose = composer("train", plans)
    node: Any = OmegaConf.to_container(compose([f"ablation={name}", *own]).ablation, resolve=True)
    found = planned(name, node, others, compose)
    check_metrics(found)
    return found


def names(plans: str | None) -> list[str]:
    """The names of all plans: ours, and those in a config folder."""
    return sorted(_files(plans))


def _files(plans: str | None) -> dict[str, Path]:
    import swaplab.conf
    from swaplab.places import expanded

    folders = [Path(next(iter(swaplab.conf.__path__))), *([expanded(plans)] if plans else [])]
    return {file.stem: file for folder in folders for file in (folder / "ablation").glob("*.yaml")}


def _nearest(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else "`swaplab ablation list` shows them"


def table(runs: Path, plans: str | None) -> str:
    """One line per plan: name, progress of its runs under ``runs``, statement."""
    import yaml

    rows = []
    for name, file in sorted(_files(plans).items()):
        content = yaml.safe_load(file.read_text())
        rows.append((name, _state(runs / name), " ".join(str(content.get("claim", "")).split())))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {state:{widths[1]}}  {claim}" for name, state, claim in rows)


def _state(folder: Path) -> str:
    """The number of finished runs of a plan; "-" if it was never started."""
    from swaplab.ablations.plan import FILE, load
    from swaplab.runs.record import ENDED

    if not (folder / FILE).exists():
        return "-"
    try:
        cells = load(folder)[1]
    except UserError:
        return "damaged"
    return f"{sum(_status(folder / cell.run_id) in ENDED for cell in cells)} of {len(cells)} runs"


def folder_of(found: "Planned") -> Path:
    """The folder of a plan's runs."""
    config = next(iter(found.configs.values()))
    return Path(config["runs"]) / config["name"]


def check_metrics(found: "Planned") -> None:
    """Raise UserError for an unknown or ambiguous metric, before any run starts."""
    from swaplab.catalogue import CATALOGUE, known

    for name in (found.plan.metric, *found.plan.guards):
        entry = known(name)
        if entry is None:
            raise UserError(
                f"ablation {found.plan.id}: no run has the metric {name!r}; choose from {', '.join(CATALOGUE)}"
            )
        if "[" not in name and entry.several:
            raise UserError(f"ablation {found.plan.id}: write {name}[WHICH] for one of {entry.several}")


def run_ablation(name: str, overrides: Sequence[str], slots: int | None, plans: str | None) -> None:
    """Run or resume an ablation on ``slots`` devices at once (None: all), and print the command of its report."""
    from swaplab.ablations.plan import refuse_another, store
    from swaplab.cli.sweep import check_jobs
    from swaplab.sweeps.jobs import Job
    from swaplab.sweeps.runner import run_jobs

    found = planned_from(name, overrides, plans)
    folder = folder_of(found)
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
    print(f"for the verdict, run: {_report_command(found.plan.id, folder, plans)}")


def _report_command(name: str, folder: Path, plans: str | None) -> str:
    """The report command of an ablation, with its name if that finds folder and plan, else with the folder."""
    words = ["swaplab", "ablation", "report", *(["--config-dir", plans] if plans else []), name]
    if folder.name != name:
        words = ["swaplab", "ablation", "report", str(folder) if folder.parent.name else f"./{folder}"]
    elif folder.parent != Path("runs"):
        words.append(f"runs={folder.parent}")
    return shlex.join(words)


def _status(folder: Path) -> str:
    from swaplab.runs.damage import Damaged
    from swaplab.runs.record import RunRecord, is_run

    try:
        return RunRecord.load(folder).status if is_run(folder) else "not started"
    except Damaged as error:
        return str(error)


def show(found: "Planned", folder: Path) -> None:
    """Print a plan, its cells, and how many images are left to train on."""
    from swaplab.runs.record import ENDED

    plan = found.plan
    rule = f"{', '.join(plan.comparisons)} against {plan.reference}: {plan.metric} {plan.contrast.direction}"
    within = f" within {plan.margin:g}" if plan.margin is not None else ""
    print(f"ablation {plan.id}: {plan.claim}\nhypothesis: {plan.hypothesis}\nrule: {rule}{within}")
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
