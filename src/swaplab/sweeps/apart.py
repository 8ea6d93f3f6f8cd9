"""The function that any Hydra launcher calls for a job: it runs the job in its own process."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from swaplab.config.trust import find_declared_packages
from swaplab.errors import UserError
from swaplab.runs.atomic import write_text_atomically
from swaplab.stopping import PARENT, signal_of
from swaplab.sweeps import process
from swaplab.sweeps.jobs import Job, Outcome
from swaplab.sweeps.planning import planned_jobs

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run_apart(typed: Sequence[str], composed: "DictConfig", evaluate: str | None = None) -> float | None:
    """Run one job in its own process and return its objective.

    ``typed``: the overrides of the sweep. ``composed``: the job's config. ``evaluate``: the split to evaluate after
    training, or None. The launcher may call it in any process and folder, and under srun in every rank, of which rank 0
    returns the value. Raises UserError if the run failed, and Stopped after a signal, when the run has saved its state.
    """
    from hydra.core.hydra_config import HydraConfig

    settings = HydraConfig.get()
    os.chdir(settings.runtime.cwd)  # paths are relative to the folder of the command
    find_declared_packages()
    rank = int(os.environ.get("SLURM_PROCID", "0"))
    [job] = planned_jobs([list(settings.overrides.task)], [composed], typed)
    job = replace(job, evaluate=None if rank else evaluate)
    name = f"{job.folder.name}{f'-rank{rank}' if rank else ''}.yaml"
    code = _exit_code(job, Path(settings.sweep.dir) / "jobs" / name)
    record = job.done() or job.record()
    stopped = record is not None and record.status == "interrupted" and (code == 0 or signal_of(code))
    if record is None or (job.done() is None and not stopped):
        raise UserError(f"{job.label}: the run failed (exit code {code}); the same command runs it again")
    return None if rank else Outcome(job, record.status, "", 0.0).objective


def _exit_code(job: Job, file: Path) -> int:
    """Run a job in a child process from a resolved config, written to ``file``; returns its exit code."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(file, yaml.safe_dump(job.config, sort_keys=False))
    sys.stdout.flush()
    words = [*process.COMMAND, *process.arguments(job, file)]
    with subprocess.Popen(words, env=os.environ | {PARENT: str(os.getpid())}) as child:
        return process.wait_for(child)
