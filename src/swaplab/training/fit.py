"""From a checked config to a trained run: build the parts, then let Lightning run the loop."""

import logging
import os
import signal
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from swaplab.config.trust import named_packages
from swaplab.data.module import FaceData
from swaplab.data.splits import of_split
from swaplab.devices import backend_of, on_gpu
from swaplab.errors import UserError
from swaplab.losses.context import GENERATOR
from swaplab.networks.norm import SyncBatchNorm
from swaplab.networks.swap_model import SwapModel, swap_model
from swaplab.runs.code import Code, code_of
from swaplab.runs.environment import differences, environment, git_state, resolve_precision
from swaplab.runs.identity import config_hash
from swaplab.runs.record import RunRecord
from swaplab.stopping import WARNINGS, Requests, Stopped, stop_requests
from swaplab.thinning import evenly
from swaplab.training.assemble import build_module
from swaplab.training.checkpoint import LAST, check_disk, disk_need, load_checkpoint
from swaplab.training.dashboard import Dashboard
from swaplab.training.distributed import SummedGradients
from swaplab.training.ending import Ending
from swaplab.training.launch import Ranks, find_ranks
from swaplab.training.layer_sync import SyncBatchNorms
from swaplab.training.macs import macs_of
from swaplab.training.module import SwapModule
from swaplab.training.progress import shown
from swaplab.training.session import Cadence, Draw, Listener, Session, Validate
from swaplab.training.watch import PATIENCE, Watch, of_the_connection

CODES = 512  # faces of each identity from which the moments of its codes are measured


@dataclass(frozen=True)
class Observers:
    """Functions called at intervals: ``validate`` maps the averaged generator to validation values, ``draw`` maps it to
    a sheet of held-out faces. ``tell`` gets every row of metrics and every sheet, as soon as it is written."""

    validate: Validate
    draw: Draw
    tell: Listener | None = None


@dataclass(frozen=True)
class Run:
    """The result of `fit`: the record's folder, how the run ended, and the last values of all metrics.

    ``signal``: the signal that asked the run to end, or 0.
    """

    folder: Path
    status: str
    reason: str
    metrics: dict[str, float]
    signal: int


def fit(
    config: dict[str, Any],
    folder: Path,
    record: RunRecord | None,
    data: FaceData,
    observers: Observers,
    facts: dict[str, Any],
) -> Run:
    """Train the run that ``config`` describes in ``folder``, from the start or from its last checkpoint.

    ``record``: the run's record from `preparing`, None on ranks above 0; ``facts`` (data, ground) are added to it.
    SIGTERM, SIGINT, SIGHUP and the warning signals of clusters end the run after the current step, with a checkpoint; a
    second SIGINT ends it at once. Raises UserError for what the user can fix; the record's status is then failed.
    """
    ranks = find_ranks(config["trainer"])
    settings = config["trainer"]
    _set_threads(settings, ranks)
    precision = resolve_precision(settings)
    images = int(config["budget"]["images"])
    pl.seed_everything(config["seed"], verbose=False)
    module = build_module(config, data.identities, data.resolution, images)
    fresh, resumed = record is not None and not record.begun, _resumable(folder)
    if resumed is not None:
        _check_statistics(module, settings, RunRecord.load(folder), ranks)
        data.start_position = resumed["counters"]["steps"] * config["batch_size"] * module.parts
    data.parts = module.parts
    environment_now = environment(precision) | {"ranks": ranks.world}
    code = code_of(named_packages(config))
    with stop_requests(*WARNINGS, limit=2) as requests:  # from here on there is something to save
        if record is not None:
            _begin(record, config, module, environment_now, code, facts, resumed, data.resolution)
        dashboard = Dashboard(config["wandb"], record, config, folder.name)
        if record is not None:
            dashboard.replay(record.metrics())
        same = _same(config, environment_now, facts, resumed) | {"the code": code.digest}
        progress = shown(images) if settings["progress"] else None
        told = (dashboard.publish, progress.tell if progress else None, observers.tell)
        listeners = [tell for tell in told if tell is not None]
        session = _session(config, requests, record, data, observers, listeners, resumed, same)
        ending = Ending(folder, record, dashboard, module, session)
        watch = Watch(ranks, ending.lost, requests)
        callbacks: list[Callback] = [session, *([progress] if progress else [])]
        trainer = _trainer(settings, ranks, watch, precision, dashboard, callbacks)
        status, reason = _walk(trainer, module, data, session, ending, watch, fresh)
    return Run(folder, status, reason, ending.metrics(), requests.number)


def _walk(
    trainer: pl.Trainer,
    module: SwapModule,
    data: FaceData,
    session: Session,
    ending: Ending,
    watch: Watch,
    fresh: bool,
) -> tuple[str, str]:
    """Run the loop; returns the status and the reason of its end, which are always recorded."""
    status, reason = "failed", "ended by an error"
    try:
        trainer.fit(module, datamodule=data)
        status, reason = session.outcome, session.reason
    except UserError as error:
        reason = str(error)
        if fresh and module.counters.steps == 0:  # there is nothing to keep
            ending.forget()
        if not watch.ranks.main:  # rank 0 prints it
            raise SystemExit(2) from None
        raise
    except SystemExit:  # raised by Lightning after a second SIGINT
        stopped = Stopped(session.requests.number or signal.SIGINT)
        status, reason = "interrupted", f"{stopped}, at once"
        raise stopped from None
    except BaseException as error:
        lost = watch.lost(PATIENCE) if of_the_connection(error) else None
        reason = lost or f"{type(error).__name__}: {error}".splitlines()[0]
        if lost is None:
            raise
        status, reason = ending.lost(reason)
    finally:
        watch.leave(reason if status == "failed" else None)
        ending(status, reason)
        watch.reap()
    return status, reason


def _session(
    config: dict[str, Any],
    requests: Requests,
    record: RunRecord | None,
    data: FaceData,
    observers: Observers,
    listeners: Sequence[Listener],
    resumed: dict[str, Any] | None,
    same: dict[str, str],
) -> Session:
    use = partial(swap_model, config=config, shifts=data.colour_shifts())
    return Session(
        record,
        Cadence(**config["every"], keep=int(config["checkpoint"]["keep"])),
        requests,
        prepare=preparer(data, use),
        validate=observers.validate,
        draw=observers.draw,
        listeners=listeners,
        best_metric=config["checkpoint"]["best"],
        session_images=config["budget"]["session_images"],
        resumed=resumed,
        same=same,
    )


def check_numbers(config: Mapping[str, Any], ranks: Ranks) -> None:
    """UserError for values that are not possible together, or not on this machine."""
    resolve_precision(config["trainer"])
    backend_of(config["trainer"])
    if config["batch_size"] < ranks.world:
        raise UserError(
            f"batch_size={config['batch_size']} is too small for {ranks.world} processes; give at least one face each"
        )


def _set_threads(settings: Mapping[str, Any], ranks: Ranks) -> None:
    """Use the given number of threads; if there is none, several processes share the cores."""
    if settings["threads"]:
        torch.set_num_threads(int(settings["threads"]))
    elif ranks.devices > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // ranks.devices))


def _check_statistics(module: SwapModule, settings: Mapping[str, Any], record: RunRecord, ranks: Ranks) -> None:
    """UserError if resuming with another number of ranks would change the batch statistics of the run."""
    before = record.facts["environment"]["ranks"]
    if before == ranks.world or settings["sync_batchnorm"]:
        return
    if any(isinstance(layer, _BatchNorm) and not isinstance(layer, SyncBatchNorm) for layer in module.modules()):
        raise UserError(
            f"{record.folder} was trained on {before} ranks, each with the statistics of its own batches, and cannot "
            f"be resumed on {ranks.world}; use {before} ranks again, or start a run with norm=sync_batch"
        )


def _same(
    config: dict[str, Any], environment_now: dict[str, Any], facts: dict[str, Any], resumed: dict[str, Any] | None
) -> dict[str, str]:
    """The facts that must be the same on all ranks, also on separate machines."""
    return {
        "the config": config_hash(config),
        "the data": str(facts.get("data")),
        "the package versions": str(environment_now["versions"]),
        "the checkpoint to resume from": str(resumed and resumed["counters"]),
    }


def _resumable(folder: Path) -> dict[str, Any] | None:
    path = folder / "checkpoints" / LAST
    return load_checkpoint(path) if path.exists() else None


def _begin(
    record: RunRecord,
    config: dict[str, Any],
    module: SwapModule,
    environment_now: dict[str, Any],
    code: Code,
    facts: dict[str, Any],
    resumed: dict[str, Any] | None,
    resolution: int,
) -> None:
    """Complete the record of a new run, or cut the record of a resumed run back to its checkpoint."""
    if resumed is not None:
        changed = differences(record.facts["environment"], environment_now)
        if changed:
            text = f"resumed in another environment: {'; '.join(changed)}"
            record.warn(text)
            logging.getLogger("swaplab").warning(
                "%s: %s; its numbers are not those of an uninterrupted run", record.folder, text
            )
        record.cut_back(resumed["counters"]["images_seen"])
        record.begin(code)
        return
    parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in module.networks.items()}
    kept = int(config["checkpoint"]["keep"])
    check_disk(record.folder, disk_need(sum(parameters.values()), parameters[GENERATOR], moments=2, kept=kept))
    record.begin(
        code,
        config_hash=config_hash(config),
        environment=environment_now,
        git=git_state(),
        parameters=parameters,
        macs=macs_of(module.networks[GENERATOR], resolution),
        cost={"seconds": 0.0},
        warnings=[],
        trained_on=trained_on(module),
        **facts,
    )
    record.cut_back(-1)


def trained_on(module: SwapModule) -> list[str]:
    """The pretrained networks, by name and hash, that losses use: measuring this run with them is circular."""
    return sorted({name for term in module.terms.values() for name in getattr(term, "pretrained", ())})


def preparer(data: FaceData, use: Callable[[nn.Module], SwapModel]) -> Callable[[nn.Module], None]:
    """A function that measures the codes of training faces, without noise, for a generator that matches codes."""
    faces: dict[str, Tensor] = {}

    @torch.no_grad()
    def prepare(generator: nn.Module) -> None:
        code_match = getattr(generator, "code_match", None)
        if code_match is None:
            return
        if not faces:
            faces.update({name: some_faces(data, name) for name in data.identities})
        model = use(generator)
        codes = {
            name: torch.cat([model.encode(part.to(model.dtype).div(255), name) for part in images.split(64)])
            for name, images in faces.items()
        }
        code_match.measure(codes)

    return prepare


def some_faces(data: FaceData, name: str) -> Tensor:
    """Evenly spaced training faces of an identity: (n, 3, R, R) uint8."""
    training = of_split(data.split_facesets()[name], "train")
    chosen = training.select(evenly(len(training.records), CODES))
    images = np.ascontiguousarray(data.alignment.region_of(chosen.faces()))
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _trainer(
    settings: Mapping[str, Any],
    ranks: Ranks,
    watch: Watch,
    precision: str,
    dashboard: Dashboard,
    callbacks: list[Callback],
) -> pl.Trainer:
    warnings.filterwarnings("ignore", module="lightning.*")
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.ERROR)
    trainer = pl.Trainer(
        accelerator="cuda" if on_gpu(settings) else "cpu",  # for auto, Lightning would take Apple's GPU
        devices=ranks.devices,
        num_nodes=ranks.nodes,
        strategy=SummedGradients(ranks, watch, backend_of(settings)) if ranks.world > 1 else "auto",
        plugins=[ranks.environment, *([SyncBatchNorms()] if settings["sync_batchnorm"] else [])],
        precision=precision,  # type: ignore[arg-type]
        max_epochs=-1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        logger=dashboard.logger or False,
        callbacks=callbacks,
    )
    # Keep our handlers: Lightning's handler of SIGTERM broadcasts, even in the middle of another collective.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer
