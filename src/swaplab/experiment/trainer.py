"""The Trainer of a run: its processes, precision and intervals."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl

from swaplab.devices import backend_of, on_gpu
from swaplab.training.checkpoint import AtomicCheckpointIO
from swaplab.training.distributed import SummedGradients
from swaplab.training.launch import Ranks
from swaplab.training.layer_sync import SyncBatchNorms
from swaplab.training.session import Cadence, steps_between
from swaplab.training.watch import Watch


def intervals(cadence: Cadence, images_per_step: int) -> dict[str, Any]:
    """The Trainer's arguments for the intervals of a run, in steps."""
    return {
        "log_every_n_steps": steps_between(cadence.report, images_per_step),
        "val_check_interval": steps_between(cadence.validate, images_per_step),
        "check_val_every_n_epoch": None,  # intervals are counted over the whole run
    }


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
        num_sanity_val_steps=0,
        **more,
    )
    # Keep our handlers: Lightning's handler of SIGTERM broadcasts, even in the middle of another collective.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer
