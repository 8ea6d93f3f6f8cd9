"""swaplab train -m: checked jobs from Hydra's overrides, and a job function for any Hydra launcher."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from swaplab.cli.words import CommandLine
from swaplab.errors import UserError
from swaplab.runs.damage import Damaged
from swaplab.sweeps.jobs import Job, Outcome

if TYPE_CHECKING:
    from omegaconf import DictConfig


def folder_override(line: CommandLine) -> list[str]:
    """The override that sets the folder of a sweep: the same for the same overrides in any order.

    Overrides that cannot change numbers, launcher settings and the number of trials do not count. Empty if the command
    line sets the folder.
    """
    from swaplab.runs.identity import NEUTRAL

    words = line.overrides
    if any(word.startswith("hydra.sweep.dir=") for word in words):
        return []
    idle = (*NEUTRAL, "hydra.launcher", "hydra/launcher", "hydra.sweeper.n_")
    folder = [line.folder] if line.folder is not None else []
    counted = sorted([*folder, *(word for word in words if not word.lstrip("+").startswith(idle))])
    digest = hashlib.sha256(json.dumps(counted).encode()).hexdigest()[:10]
    return [f"hydra.sweep.dir=${{runs}}/sweeps/{digest}"]


def planned_jobs(
    job_overrides: Sequence[Sequence[str]], configs: "Sequence[DictConfig]", typed: Sequence[str]
) -> list[Job]:
    """The jobs of a sweep from the overrides and the composed config of each.

    Overrides that vary, compared with the ``typed`` command line, make the label and, without the seed, the config's
    ``factors``.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from swaplab.config.border import checked
    from swaplab.config.read import resolved
    from swaplab.runs.identity import run_id_of
    from swaplab.runs.naming import located

    parse = OverridesParser.create().parse_overrides
    last = {o.key_or_group: o for o in parse(list(typed))}  # of two overrides of one key the later one wins
    fixed = {_as_given(o) for o in last.values() if not o.is_sweep_override()}
    jobs = []
    for words, composed in zip(job_overrides, configs, strict=True):
        varied = [o for o in parse(list(words)) if _as_given(o) not in fixed]
        levels = {o.key_or_group: o.value() for o in varied}
        label = " ".join(f"{key}={level}" for key, level in levels.items())
        task = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        try:
            config = located(checked(resolved(task)))
        except UserError as error:
            raise UserError(f"{label}: {error}") from None
        factors = {key: level for key, level in levels.items() if key != "seed"}
        config["factors"] = config["factors"] or factors
        jobs.append(Job(label or run_id_of(config), config))
    return jobs


def _as_given(override: Any) -> str:
    return f"{override.get_key_element()}={override.get_value_element_as_str()}"


def check_jobs(jobs: Sequence[Job]) -> None:
    """Raise UserError, before any job starts, if a job cannot run or two jobs are the same run.

    Loads (or renders) the data of every job to run and builds its networks and loss terms, once for jobs that differ
    only in the seed.
    """
    places: dict[Path, str] = {}
    for job in jobs:
        if job.folder in places:
            raise UserError(
                f"'{places[job.folder]}' and '{job.label}' are the same run, because they differ in nothing that can "
                f"change a number; remove one of them"
            )
        places[job.folder] = job.label
    checked: set[str] = set()
    for job in jobs:
        try:
            done = job.done()
            job.check_code()
            if done is not None:
                continue
            kind = _without_seed(job.config)
            if kind not in checked:
                _check_config(job.config)
            checked.add(kind)
        except Damaged:
            continue  # this job will fail, the others can run
        except UserError as error:
            raise UserError(f"{job.label}: {error}; no run was started") from None


def _without_seed(config: dict[str, Any]) -> str:
    from swaplab.runs.identity import config_hash

    return config_hash(config | {"seed": None})


def _check_config(config: dict[str, Any]) -> None:
    from swaplab.experiment.data import load_data
    from swaplab.experiment.fit import check_numbers
    from swaplab.training.assemble import build_module
    from swaplab.training.launch import find_ranks

    check_numbers(config, find_ranks(config["trainer"]))
    data = load_data(config)[1]
    build_module(config, data.identities, data.resolution, int(config["budget"]["images"]))


@contextmanager
def launcher_sentences() -> Iterator[None]:
    """A context that turns submitit's RuntimeError (no Slurm, rejected job) into UserError."""
    try:
        yield
    except RuntimeError as error:
        *_, (frame, _line) = walk_tb(error.__traceback__)
        if not frame.f_globals["__name__"].startswith("submitit."):
            raise
        raise UserError(f"the launcher cannot start the jobs: {error}") from None


def run_apart(typed: Sequence[str], composed: "DictConfig") -> float | None:
    """Run one job in its own process and return its objective; any Hydra launcher can call it.

    ``typed``: the overrides of the sweep. Under srun every rank calls it, and rank 0 returns the value. Raises
    UserError if the run failed, and Stopped after a signal, when the run has saved its state.
    """
    import yaml
    from hydra.core.hydra_config import HydraConfig

    from swaplab.runs.atomic import write_text_atomically
    from swaplab.stopping import PARENT
    from swaplab.sweeps.process import COMMAND, wait_for

    [job] = planned_jobs([list(HydraConfig.get().overrides.task)], [composed], typed)
    rank = int(os.environ.get("SLURM_PROCID", "0"))
    file = Path(HydraConfig.get().sweep.dir) / "jobs" / f"{job.folder.name}{f'-rank{rank}' if rank else ''}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(file, yaml.safe_dump(job.config, sort_keys=False))
    sys.stdout.flush()
    words = [*COMMAND, f"resolved={file.resolve()}"]
    with subprocess.Popen(words, env=os.environ | {PARENT: str(os.getpid())}) as process:
        code = wait_for(process)
    record = job.record()
    if record is None or record.status not in ("complete", "diverged", "interrupted"):
        raise UserError(f"{job.label}: the run failed (exit code {code}); the same command runs it again")
    return None if rank else Outcome(job, record.status, "", 0.0).objective
