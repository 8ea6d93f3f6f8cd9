"""The jobs of a sweep from Hydra's overrides, checked before the first one starts; the folder of a sweep."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.errors import UserError
from swaplab.runs.damage import Damaged
from swaplab.sweeps.jobs import Job

if TYPE_CHECKING:
    from omegaconf import DictConfig


def folder_override(words: Sequence[str], configs: str | None) -> list[str]:
    """The override that sets the folder of a sweep: the same for the same overrides in any order.

    ``configs``: an additional config folder. Overrides that cannot change numbers, launcher settings and the number of
    trials do not count. Empty if ``words`` set the folder.
    """
    from swaplab.runs.identity import NEUTRAL

    if any(word.startswith("hydra.sweep.dir=") for word in words):
        return []
    idle = (*NEUTRAL, "hydra.launcher", "hydra/launcher", "hydra.sweeper.n_")
    outside = [configs] if configs is not None else []
    counted = sorted([*outside, *(word for word in words if not word.lstrip("+").startswith(idle))])
    digest = hashlib.sha256(json.dumps(counted).encode()).hexdigest()[:10]
    return [f"hydra.sweep.dir=${{runs}}/sweeps/{digest}"]


def planned_jobs(
    job_overrides: Sequence[Sequence[str]], configs: "Sequence[DictConfig]", typed: Sequence[str]
) -> list[Job]:
    """The jobs of a sweep from the overrides and the composed config of each.

    Overrides that vary, compared with the ``typed`` command line, make the label and, without the seed, the config's
    ``factors`` unless one of them sets these.
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
        label = " ".join(f"{key}={level}" for key, level in levels.items() if key != "factors")
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


def check_jobs(jobs: Sequence[Job], *, here: bool = True) -> None:
    """Raise UserError, before any job starts, if a job cannot run or two jobs are the same run.

    Loads (or renders) the data of every job to run and builds its networks and loss terms, once for jobs that differ
    only in the seed. ``here``: they will run on this machine, so it must also have their devices.
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
                _check_config(job.config, here)
            checked.add(kind)
        except Damaged:
            continue  # this job will fail, the others can run
        except UserError as error:
            raise UserError(f"{job.label}: {error}; no run was started") from None


def _without_seed(config: dict[str, Any]) -> str:
    from swaplab.runs.identity import config_hash

    return config_hash(config | {"seed": None})


def _check_config(config: dict[str, Any], here: bool) -> None:
    from swaplab.experiment.data import load_data
    from swaplab.experiment.fit import check_numbers
    from swaplab.training.assemble import build_module
    from swaplab.training.launch import find_ranks

    if here:
        check_numbers(config, find_ranks(config["trainer"]))
    data = load_data(config)[1]
    build_module(config, data.identities, data.resolution, int(config["budget"]["images"]))
