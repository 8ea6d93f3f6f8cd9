"""The Trainer of a run: its processes, precision and intervals."""

import logging
import warnings
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.profilers import AdvancedProfiler, PyTorchProfiler, SimpleProfiler

from swaplab.devices import backend_of, on_gpu
from swaplab.training.checkpoint import AtomicCheckpointIO
from swaplab.training.distributed import SummedGradients
from swaplab.training.launch import Ranks
from swaplab.training.layer_sync import SyncBatchNorms
from swaplab.training.session import NEVER, Cadence, steps_between
from swaplab.training.watch import Watch

PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}
# Keys of a trainer section that Lightning takes as they are; `trainer_of` reads the others.
PASSED = (
    "detect_anomaly",
    "deterministic",
    "benchmark",
    "num_sanity_val_steps",
    "overfit_batches",
    "limit_val_batches",
)


def step_limit(settings: Mapping[str, Any]) -> int | None:
    """The steps after which a run that is debugged is over; None: its budget ends it.

    `Session` keeps the limit: Lightning's ``limit_train_batches`` would only divide a run into epochs, and its
    ``fast_dev_run`` counts optimiser steps, which differ between systems, and turns off all loggers.
    """
    limit = settings.get("fast_dev_run") or settings.get("limit_train_batches")
    return int(limit) if limit else None


def intervals(cadence: Cadence, images_per_step: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The Trainer's arguments for the intervals of a run, in steps; with ``fast_dev_run`` everything is due each step.

    An interval of reports is not longer than a limited run.
    """
    fast, last = settings.get("fast_dev_run"), step_limit(settings) or NEVER
    return {
        "log_every_n_steps": 1 if fast else min(last, steps_between(cadence.report, images_per_step)),
        "val_check_interval": 1 if fast else steps_between(cadence.validate, images_per_step),
        "check_val_every_n_epoch": None,  # intervals are counted over the whole run
    }


def passed_through(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The Trainer's arguments that a ``trainer`` section sets as they are. ``folder``: of the run."""
    given = {key: settings[key] for key in PASSED if settings.get(key) is not None}
    if settings.get("fast_dev_run"):
        given["limit_val_batches"] = step_limit(settings)
    if settings.get("profiler"):
        given["profiler"] = PROFILERS[settings["profiler"]](folder / "profile", "profile")
    return {"num_sanity_val_steps": 0} | given


def arguments(settings: Mapping[str, Any], cadence: Cadence, images_per_step: int, folder: Path) -> dict[str, Any]:
    """`intervals` and what is `passed_through`."""
    return {**intervals(cadence, images_per_step, settings), **passed_through(settings, folder)}


def seconds_of(duration: str | None) -> float | None:
    """Seconds of a time as days:hours:minutes:seconds; None stays None."""
    if duration is None:
        return None
    days, hours, minutes, seconds = map(int, duration.split(":"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()


def trainer_of(
    settings: Mapping[str, Any], ranks: Ranks, watch: Watch, precision: str, files: AtomicCheckpointIO, **more: Any
) -> pl.Trainer:
    """The Trainer of a ``trainer`` section; ``more``: its other arguments."""
    warnings.filterwarnings("ignore", module="lightning.*")
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.ERROR)
    trainer = pl.Trainer(
        accelerator="cuda" if on_gpu(settings) else "cpu",  # for auto, Lightning would take Apple's GPU
        devices=ranks.devices,
        num_nodes=ranks.nodes,
        strategy=SummedGradients(ranks, watch, backend_of(settings)) if ranks.world > 1 else "auto",
        plugins=[files, ranks.environment, *([SyncBatchNorms()] if settings["sync_batchnorm"] else [])],
        precision=precision,  # type: ignore[arg-type]
        max_epochs=-1,
        enable_model_summary=False,
        enable_progress_bar=False,  # ours counts images
        **more,
    )
    # Keep our handlers: Lightning's handler of SIGTERM broadcasts, even in the middle of another collective.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer
