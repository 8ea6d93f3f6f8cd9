"""Passes the jobs of Hydra's sweepers to ``swaplab.sweeps``. Few imports, as Hydra loads it at every start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from swaplab.sweeps.jobs import Job, Outcome


@dataclass
class ProcessLauncherConf:
    """``slots``: number of devices to use at once; None: all GPUs or CPU cores."""

    _target_: str = "hydra_plugins.swaplab_process_launcher.launcher.ProcessLauncher"
    slots: int | None = None


ConfigStore.instance().store(group="hydra/launcher", name="swaplab", node=ProcessLauncherConf, provider="swaplab")


class ProcessLauncher(Launcher):
    """Composes and validates all jobs, then runs each one from its resolved config file."""

    def __init__(self, slots: int | None = None) -> None:
        self.slots = slots

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from swaplab.errors import UserError

        self.hydra_context, self.config = hydra_context, config
        if self.slots is not None and self.slots < 1:
            raise UserError(f"hydra.launcher.slots={self.slots} must be a whole number of at least 1, or null")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from hydra.core.utils import setup_globals

        from swaplab.sweeps.planning import check_jobs, planned_jobs

        setup_globals()
        configs = [self._composed(words, number) for number, words in enumerate(job_overrides, initial_job_idx)]
        jobs = planned_jobs(job_overrides, configs, typed=list(self.config.hydra.overrides.task))
        check_jobs(jobs)
        outcomes = self.run_jobs(jobs, Path(str(self.config.hydra.sweep.dir)), initial_job_idx)
        return [
            _job_return(words, config, outcome.ended, outcome.objective)
            for words, config, outcome in zip(job_overrides, configs, outcomes, strict=True)
        ]

    def run_jobs(
        self, jobs: "Sequence[Job]", folder: Path, first: int = 0, watch: "Callable[[Job], bool] | None" = None
    ) -> "list[Outcome]":
        """Run jobs that are checked already, at most ``slots`` at once."""
        from swaplab.sweeps.runner import run_jobs

        return run_jobs(jobs, folder, slots=self.slots, first=first, watch=watch)

    def _composed(self, overrides: Sequence[str], number: int) -> DictConfig:
        from omegaconf import open_dict

        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config


class FailedJob(JobReturn):
    """The result of a failed job. A sweeper that reads its value ends the command, after the table was shown."""

    @property  # type: ignore[misc]
    def return_value(self) -> Any:
        raise SystemExit(1)


def _job_return(overrides: Sequence[str], config: DictConfig, ended: bool, objective: float) -> JobReturn:
    from omegaconf import OmegaConf

    task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    result = (JobReturn if ended else FailedJob)(
        overrides=list(overrides),
        cfg=task,
        hydra_cfg=config,
        working_dir=str(Path.cwd()),
        task_name=str(config.hydra.job.name),
        status=JobStatus.COMPLETED if ended else JobStatus.FAILED,
    )
    if ended:
        result.return_value = objective
    return result
