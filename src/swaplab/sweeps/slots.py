"""Slots of CPU cores and GPUs: the environment of a job hides all devices but its own."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swaplab.devices import AUTO, devices_of, number_of, on_gpu, visible_gpus
from swaplab.errors import UserError
from swaplab.sweeps.jobs import Job

# Variables that a launcher sets for ranks; a job that inherited them would take itself for a rank.
_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_NTASKS")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Share:
    """The slots of a job and its environment variables."""

    kind: str
    ids: tuple[str, ...]
    environment: dict[str, str]


class Slots:
    """The slots of this machine; a job with k devices takes k slots.

    A CPU slot has ``trainer.threads`` cores (1 if that is null), so there are cores // threads of them; ``count``
    overrides this, and then the default is cores // count threads. A GPU slot is one GPU. Raises UserError for a job
    that can never run here.
    """

    def __init__(self, jobs: Sequence[Job], count: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        kinds = {_kind(job.config["trainer"]) for job in jobs}
        wanted = [int(job.config["trainer"]["threads"] or 0) for job in jobs]
        gpus = visible_gpus() if "gpu" in kinds else []
        if gpus and count is not None:
            gpus = gpus[:count]
        cpus = count or max(1, cores // max([1, *wanted]))
        self._free = {"cpu": [str(i) for i in range(cpus)], "gpu": gpus}
        self._total = {kind: len(ids) for kind, ids in self._free.items()}
        self._threads = {"cpu": max(1, cores // count) if count else 1, "gpu": max(1, cores // max(1, len(gpus)))}
        for job in jobs:
            _check_fits(job, self._total["gpu"])

    def take(self, job: Job) -> Share | None:
        """The slots for a job, or None if too few are free. A job with more devices than CPU slots takes all."""
        settings = job.config["trainer"]
        kind = _kind(settings)
        needed = min(devices_of(settings, self._total["gpu"]), self._total[kind])
        if len(self._free[kind]) < needed:
            return None
        ids = tuple(self._free[kind][:needed])
        del self._free[kind][:needed]
        threads = str(settings["threads"] or self._threads[kind])
        environment = {k: v for k, v in os.environ.items() if k not in _RANKS}
        environment |= dict.fromkeys(_THREADS, threads)
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(ids) if kind == "gpu" else ""
        return Share(kind, ids, environment)

    def give(self, share: Share) -> None:
        """Free slots."""
        self._free[share.kind] = [*share.ids, *self._free[share.kind]]


def _kind(settings: Mapping[str, Any]) -> str:
    return "gpu" if on_gpu(settings) else "cpu"


def _check_fits(job: Job, gpus: int) -> None:
    settings = job.config["trainer"]
    elsewhere = settings["nodes"] not in AUTO and number_of(settings, "nodes") > 1
    if elsewhere or settings["launcher"] == "srun":
        asked = f"nodes={settings['nodes']}" if elsewhere else "launcher=srun"
        raise UserError(
            f"{job.label}: trainer.{asked}, but these jobs run on this machine only; start such runs one by one with "
            f"the files in scripts/, or use a cluster launcher"
        )
    if _kind(settings) == "gpu" and (devices_of(settings, gpus) > gpus or not gpus):
        raise UserError(
            f"{job.label}: trainer.devices={settings['devices']}, but this sweep has {gpus} GPU(s); lower it, or set "
            f"trainer=ddp_cpu"
        )
