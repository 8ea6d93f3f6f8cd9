"""Jobs for a Hydra launcher: ours gets the jobs themselves, any other gets their overrides and composes them again."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from swaplab.errors import UserError
from swaplab.runs.claim import PATIENCE, holder
from swaplab.stopping import obey, stop_requests
from swaplab.sweeps.jobs import Job, Outcome

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.plugins.launcher import Launcher
    from hydra.types import TaskFunction

# Launchers that other packages bring, and our extras that install these.
EXTRAS = {"joblib": "joblib", "ray": "ray", "ray_aws": "ray", "submitit_local": "slurm", "submitit_slurm": "slurm"}
_ENGINES = ("submitit", "ray", "joblib")


@runtime_checkable
class JobLauncher(Protocol):
    """A launcher that runs jobs on this machine and watches them: ours."""

    def run_jobs(
        self, jobs: Sequence[Job], folder: Path, first: int = 0, watch: Callable[[Job], bool] | None = None
    ) -> list[Outcome]:
        """Run jobs like `swaplab.sweeps.runner.run_jobs`."""


def split_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides that choose a launcher or set its keys, and all others."""
    chosen = [word for word in words if word.lstrip("+~").startswith(("hydra/launcher=", "hydra.launcher."))]
    return chosen, [word for word in words if word not in chosen]


def launcher_of(words: Sequence[str], configs: str | None, job: "TaskFunction") -> "Launcher":
    """The launcher that the overrides ``words`` choose; it calls ``job`` with the composed config of each job.

    ``configs``: an additional config folder. Raises UserError for a launcher that is not installed.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    from swaplab.config.loader import Loader

    loader = Loader(configs)
    with launcher_sentences():
        config = loader.load_configuration("train", list(words), RunMode.MULTIRUN)
    return Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks(config)), task_function=job, config=config
    )


def launched(
    launcher: "Launcher",
    jobs: Sequence[Job],
    overrides: Sequence[Sequence[str]],
    folder: Path,
    *,
    first: int = 0,
    watch: Callable[[Job], bool] | None = None,
) -> list[Outcome]:
    """Run jobs with a launcher, show a table of them, and return their outcomes in order. A failed job stops no other.

    ``overrides``: those of each job, for launchers other than ours; these get only the jobs that are left to run, and
    call no ``watch``. ``folder``, ``first``, ``watch``: see `swaplab.sweeps.runner.run_jobs`. Raises UserError if the
    launcher cannot start the jobs, and Stopped after a signal, when the jobs on this machine have saved their state.
    """
    from swaplab.sweeps.table import Board, State

    if isinstance(launcher, JobLauncher):
        return launcher.run_jobs(jobs, folder, first, watch)
    finished = {i: done for i, job in enumerate(jobs) if (done := job.done()) is not None}
    outcomes = {i: Outcome(jobs[i], done.status, "already finished", 0.0) for i, done in finished.items()}
    left = [i for i in range(len(jobs)) if i not in outcomes]
    board = Board(jobs)
    if left:
        board.say(f"{len(left)} jobs for {type(launcher).__name__}; `swaplab runs watch` shows them while they run")
        with launcher_sentences(), stop_requests(limit=1, first=partial(_stop, jobs)):
            returned = launcher.launch([list(overrides[i]) for i in left], initial_job_idx=first)
        outcomes |= {i: _outcome(jobs[i], end) for i, end in zip(left, returned, strict=True)}
    board.end({i: State(end.status, jobs[i].images_seen(), 0.0, end.reason) for i, end in outcomes.items()})
    return [outcomes[i] for i in range(len(jobs))]


def _stop(jobs: Sequence[Job]) -> None:
    """Ask the jobs that train on this machine to stop, and wait until they have written their checkpoints.

    A launcher that receives an exception kills its jobs at once.
    """
    asked = [job.folder for job in jobs if (pid := holder(job.folder)) is not None and _terminated(pid)]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(holder(folder) is not None for folder in asked):
        time.sleep(0.1)


def _terminated(pid: int) -> bool:
    """Send SIGTERM to a process; returns whether it could be sent."""
    with suppress(OSError):
        os.kill(pid, signal.SIGTERM)
        return True
    return False


def _outcome(job: Job, end: "JobReturn") -> Outcome:
    from hydra.core.utils import JobStatus

    record = job.record()
    if end.status is JobStatus.FAILED or record is None:
        return Outcome(job, "failed", " ".join(str(end._return_value).split()), 0.0)
    return Outcome(job, record.status, str(record.facts["exit_reason"]), 0.0)


@contextmanager
def launcher_sentences() -> Iterator[None]:
    """A context that makes UserError of a launcher that is not installed, and of an error that it raises itself."""
    from hydra.errors import MissingConfigException

    try:
        yield
    except MissingConfigException as error:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        if group != "hydra/launcher" or name not in EXTRAS:
            raise
        raise UserError(
            f"hydra/launcher={name} is not installed; install it with: pip install 'swaplab[{EXTRAS[name]}]'"
        ) from None
    except KeyboardInterrupt:
        obey()  # an engine may make its own exception of ours
        raise
    except Exception as error:
        obey()
        *_, (frame, _line) = walk_tb(error.__traceback__)
        module: Any = frame.f_globals.get("__name__", "")
        if str(module).partition(".")[0] not in _ENGINES:
            raise
        raise UserError(f"the launcher cannot start the jobs: {error}") from None
