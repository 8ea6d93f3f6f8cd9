"""From a checked config to a trained run: build data, module, callbacks, loggers and Trainer; fit."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from swaplab.config.trust import named_packages
from swaplab.data.module import FaceData
from swaplab.data.sources import Sources
from swaplab.devices import backend_of
from swaplab.errors import UserError
from swaplab.experiment.callbacks import build_callbacks
from swaplab.experiment.data import load_data, sheet_drawer
from swaplab.experiment.module import module_of
from swaplab.experiment.trainer import arguments, seconds_of, step_limit, trainer_of
from swaplab.networks.macs import macs_of
from swaplab.networks.names import GENERATOR
from swaplab.networks.norm import SyncBatchNorm
from swaplab.runs.code import Code, code_of
from swaplab.runs.environment import differences, environment, git_state, resolve_precision
from swaplab.runs.identity import config_hash, debugging
from swaplab.runs.record import RunRecord
from swaplab.stopping import WARNINGS, Stopped, stop_requests
from swaplab.training.averaging import AveragedGenerator
from swaplab.training.checkpoint import LAST, STATE, AtomicCheckpointIO, check_disk, disk_need
from swaplab.training.ending import Ending
from swaplab.training.keeping import Keeping
from swaplab.training.launch import Ranks, find_ranks
from swaplab.training.loggers.feed import Feeds, views_of
from swaplab.training.module import SwapModule
from swaplab.training.progress import shown
from swaplab.training.record_logger import Listener, RecordLogger
from swaplab.training.session import Cadence, Session
from swaplab.training.speed import Speed
from swaplab.training.watch import PATIENCE, Watch, of_the_connection

# What a record says of a run that is shorter, or has fewer data, than its config.
DEBUGGED = "a run to find a fault ({}): do not compare its numbers"


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


def fit(config: dict[str, Any], folder: Path, record: RunRecord | None, tell: Listener | None = None) -> Run:
    """Train the run that ``config`` describes in ``folder``, from the start or from its last checkpoint.

    ``record``: the run's record from `preparing`, None on ranks above 0. ``tell`` gets every row of metrics and every
    sheet, as soon as it is written. SIGTERM, SIGINT, SIGHUP and the warning signals of clusters end the run after the
    current step, with a checkpoint; a second SIGINT ends it at once. Raises UserError for what the user can fix; the
    record's status is then failed.
    """
    settings, ranks = config["trainer"], find_ranks(config["trainer"])
    check_numbers(config, ranks)
    views, own, (sources, data) = views_of(config), build_callbacks(config), load_data(config)
    _set_threads(settings, ranks)
    precision = resolve_precision(settings)
    pl.seed_everything(config["seed"], verbose=False)
    module, files, checkpoint = module_of(config, data), AtomicCheckpointIO(), folder / "checkpoints" / LAST
    module.step_limit = step_limit(settings)
    position = files.preload(checkpoint)[STATE]["counters"] if checkpoint.exists() else None
    if position is not None:
        _check_statistics(module, settings, RunRecord.load(folder), ranks)
    # what reads faces comes before the record says that the run has begun
    draw, facts = sheet_drawer(config, sources, data), facts_of(sources, data)
    data.setup()
    data.held_out_faces["val"].batches()
    fresh = record is not None and not record.begun
    now, code = environment(precision) | {"ranks": ranks.world}, code_of(named_packages(config))
    with stop_requests(*WARNINGS, limit=2) as requests:  # from here on there is something to save
        if record is not None:
            _begin(record, config, module, now, code, facts, position, data.resolution)
        loggers = Feeds.of_training(views, record, config)
        progress = shown(int(config["budget"]["images"])) if config["trainer"]["progress"] else None
        told = [loggers.publish, progress.tell if progress else None, tell]
        session = Session(
            RecordLogger(record, [listener for listener in told if listener]),
            Cadence(**config["every"]),
            requests,
            speed := Speed(),
            draw=draw,
            session_images=config["budget"]["session_images"],
            session_seconds=seconds_of(settings.get("max_time")),
            resumed=position is not None,
            same=_same(config, now, facts, position) | {"the code": code.digest},
        )
        keeping = Keeping(session, config["checkpoint"]["best"], config["checkpoint"]["keep"])
        ending = Ending(folder, loggers, module, keeping, speed)
        watch = Watch(ranks, ending.lost, requests)
        trainer = trainer_of(
            settings,
            ranks,
            watch,
            precision,
            files,
            **arguments(settings, session.cadence, module.images_per_step, folder),
            logger=session.logger,
            # the clock starts after the session has measured the untrained network
            # the user's see a complete row of the last step, and act before `keeping` saves their state
            callbacks=[AveragedGenerator(), session, speed, *own, keeping, *([progress] if progress else [])],
        )
        with _ending(session, ending, watch, module, fresh) as result:
            trainer.fit(module, datamodule=data, ckpt_path=None if position is None else checkpoint)
    status, reason = result
    return Run(folder, status, reason, ending.metrics(), requests.number)


@contextmanager
def _ending(session: Session, ending: Ending, watch: Watch, module: SwapModule, fresh: bool) -> Iterator[list[str]]:
    """A context for training; afterwards the list has the status and the reason of the end, which are recorded."""
    result: list[str] = []
    status, reason = "failed", "ended by an error"
    try:
        yield result
        status, reason = session.outcome or "complete", session.reason
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
        result += [status, reason]


def facts_of(sources: Sources, data: FaceData) -> dict[str, Any]:
    """What a record says about a run's data: digest, identities, alignment and the grounds to use their faces."""
    grounds = {name: {"kind": f.ground.kind, "digest": f.ground.digest()} for name, f in sources.facesets.items()}
    return {
        "data": {"digest": sources.digest, "weak_splits": sorted(data.weak_splits)},
        "faces": {
            "identities": list(data.identities),
            **asdict(data.alignment),
            "colour_shifts": data.colour_shifts(),
        },
        "grounds": grounds,
    }


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
    config: dict[str, Any], environment_now: dict[str, Any], facts: dict[str, Any], position: dict[str, int] | None
) -> dict[str, str]:
    """The facts that must be the same on all ranks, also on separate machines."""
    return {
        "the config": config_hash(config),
        "the data": str(facts.get("data")),
        "the package versions": str(environment_now["versions"]),
        "the checkpoint to resume from": str(position),
    }


def _begin(
    record: RunRecord,
    config: dict[str, Any],
    module: SwapModule,
    environment_now: dict[str, Any],
    code: Code,
    facts: dict[str, Any],
    position: dict[str, int] | None,
    resolution: int,
) -> None:
    """Complete the record of a new run, or cut the record of a resumed run back to its checkpoint."""
    if position is not None:
        changed = differences(record.facts["environment"], environment_now)
        if changed:
            text = f"resumed in another environment: {'; '.join(changed)}"
            record.warn(text)
            logging.getLogger("swaplab").warning(
                "%s: %s; its numbers are not those of an uninterrupted run", record.folder, text
            )
        record.cut_back(position["images_seen"])
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
        warnings=[DEBUGGED.format(", ".join(limits))] if (limits := debugging(config)) else [],
        trained_on=trained_on(module),
        **facts,
    )
    record.cut_back(-1)


def trained_on(module: SwapModule) -> list[str]:
    """The pretrained networks, by name and hash, that losses use: measuring this run with them is circular."""
    return sorted({name for term in module.terms.values() for name in getattr(term, "pretrained", ())})
