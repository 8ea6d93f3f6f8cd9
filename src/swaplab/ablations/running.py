"""Run an ablation: check its runs, store the plan before the first one, and hand them to a Hydra launcher."""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from swaplab.ablations.cells import Planned, common_overrides
from swaplab.ablations.plan import refuse_another, store
from swaplab.sweeps.apart import run_apart
from swaplab.sweeps.jobs import Job
from swaplab.sweeps.launching import JobLauncher, launched, launcher_of, split_overrides
from swaplab.sweeps.planning import check_jobs

FOLDER = "hydra.sweep.dir=${runs}/${name}"  # where a launcher leaves its files: in the folder of the runs


def run_ablation(found: Planned, overrides: Sequence[str], configs: str | None) -> bool:
    """Run or resume an ablation; returns whether all runs have ended.

    ``overrides``: those among them that choose and set the launcher count. ``configs``: an additional config folder.
    Raises UserError, before anything starts, for a run or a launcher that cannot work, and if the folder holds another
    plan.
    """
    plan, folder, common = found.plan, found.folder, common_overrides(found.plan)
    refuse_another(folder, plan, found.cells)
    job = partial(run_apart, common, evaluate=plan.split)
    launcher = launcher_of([*common, FOLDER, *split_overrides(overrides)[0]], configs, job)
    jobs = [
        Job(f"{plan.factor}={cell.level} seed={cell.seed}", found.configs[cell], plan.split) for cell in found.cells
    ]
    check_jobs(jobs, here=isinstance(launcher, JobLauncher))
    store(folder, plan, found.cells)
    outcomes = launched(launcher, jobs, [found.overrides(cell) for cell in found.cells], folder)
    return all(outcome.ended for outcome in outcomes)


def report_command(name: str, folder: Path, configs: str | None) -> str:
    """The report command of an ablation, with its name if that finds folder and plan, else with the folder."""
    words = ["swaplab", "ablation", "report", *(["--config-dir", configs] if configs else []), name]
    if folder.name != name:
        words = ["swaplab", "ablation", "report", str(folder) if folder.parent.name else f"./{folder}"]
    elif folder.parent != Path("runs"):
        words.append(f"runs={folder.parent}")
    return shlex.join(words)
