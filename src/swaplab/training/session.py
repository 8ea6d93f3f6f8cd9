"""Work between steps: reports, validation, samples, checkpoints, and stopping."""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn

from swaplab.catalogue import better
from swaplab.collectives import max_over_ranks, world_size
from swaplab.losses.context import GENERATOR
from swaplab.runs.record import RunRecord
from swaplab.stopping import Requests, Stopped
from swaplab.training.checkpoint import BEST, LAST, put_weights, save_checkpoint, save_weights
from swaplab.training.distributed import check_equal, check_same, share_buffers
from swaplab.training.ema import EMA
from swaplab.training.module import Counters, SwapModule
from swaplab.training.samples import save_sheet

Validate = Callable[[nn.Module], dict[str, float]]
Prepare = Callable[[nn.Module], None]
Draw = Callable[[nn.Module], NDArray[np.uint8]]
Listener = Callable[[dict[str, Any], "str | None"], None]  # gets a row of metrics and the path of a sheet

PATIENCE = 2.0  # maximum seconds until all ranks react to a signal to one of them


@dataclass(frozen=True)
class Cadence:
    """Images between two reports, validations, sample sheets and checkpoints; 0: only at the end."""

    report: int
    validate: int
    sample: int
    checkpoint: int
    keep: int = 0


class Session(Callback):
    """The callback that runs this work in one process. On ranks above 0 ``record`` is None and nothing is written."""

    def __init__(
        self,
        record: RunRecord | None,
        cadence: Cadence,
        requests: Requests,
        *,
        prepare: Prepare,
        validate: Validate,
        draw: Draw,
        listeners: Sequence[Listener],
        best_metric: str,
        session_images: int | None = None,
        resumed: dict[str, Any] | None = None,
        same: Mapping[str, str] | None = None,
    ) -> None:
        self.record, self.cadence, self.requests = record, cadence, requests
        self.prepare, self.validate, self.draw, self.listeners = prepare, validate, draw, tuple(listeners)
        self._prepared: int | None = None
        self.best_metric = best_metric
        self.session_images = session_images
        self.resumed = resumed
        self.same = dict(same or {})
        self.outcome, self.reason = "interrupted", "stopped before the first step"
        self.best: float | None = None if resumed is None else resumed["best"]
        self._training = 0.0  # seconds of this session without validation
        self._images = 0
        self._stride = 1
        self._peak = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the checkpoint's state, if there is one."""
        check_same(self.same)
        module = _typed(pl_module)
        module.ema = EMA(module.networks[GENERATOR], module.ema_half_life)
        if self.resumed is not None:
            self._restore(module, trainer, self.resumed)
        self._started = time.perf_counter()
        self._start_images = module.counters.images_seen
        self._clock, self._clock_images = time.perf_counter(), self._start_images

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the first row of a new run; stop a run that was killed after its last step."""
        module = _typed(pl_module)
        if self.resumed is None:
            self._untrained(module)
        elif module.counters.images_seen >= module.total_images:
            trainer.should_stop = self._stop(module, done=True)

    def _untrained(self, module: SwapModule) -> None:
        """Measure the untrained network and write the first row."""
        values = self._measured(module)
        if self.record is not None:
            self._write({"images_seen": 0, "steps": 0, **values}, None)
        self._clock = time.perf_counter()

    def cost(self, seconds_before: float) -> dict[str, float]:
        """Seconds of all sessions, images per second of training in this session, and peak memory of any rank.

        ``seconds_before``: seconds of earlier sessions.
        """
        seconds = time.perf_counter() - self._started if hasattr(self, "_started") else 0.0
        cost = {
            "seconds": round(seconds_before + seconds, 1),
            "peak_memory_mb": round(max(self._peak, peak_memory_mb()), 1),
        }
        speed = {"images_per_second": round(self._images / self._training, 2)} if self._images else {}
        return cost | speed

    def _restore(self, module: SwapModule, trainer: pl.Trainer, state: dict[str, Any]) -> None:
        put_weights(module.networks, state["networks"], "the checkpoint")
        assert module.ema is not None
        put_weights(module.ema.network, state["ema"], "the checkpoint's average")
        for optimizer, saved in zip(trainer.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        module.counters = Counters(**state["counters"])
        module.made, module.done = dict(state["made"]), list(state["done"])
        for name, history in module.memories().items():
            history.restore(state["memories"][name])
        module.meter.restore(state["meter"], share=trainer.is_global_zero)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After each step: do what is due by images seen, then decide whether to stop."""
        module = _typed(pl_module)
        seen, before = module.counters.images_seen, module.counters.images_seen - module.images_per_step
        done = seen >= module.total_images

        def due(every: int) -> bool:
            return done or (every > 0 and seen // every != before // every)

        row: dict[str, Any] = {}
        if due(self.cadence.report):
            row |= self._losses(module)
        if self.outcome != "diverged" and due(self.cadence.validate):
            row |= self._validated(module)
        sheet = self._sheet(module) if self.outcome != "diverged" and due(self.cadence.sample) else None
        if (row or sheet) and self.record is not None:
            self._write({"images_seen": seen, "steps": module.counters.steps, **row}, sheet)
        stop = self._stop(module, done)
        if self.outcome != "diverged" and (stop or due(self.cadence.checkpoint)):
            self._save(module, trainer, kept=self.cadence.keep > 0 and due(self.cadence.checkpoint))
        if stop:
            trainer.should_stop = True

    def average(self, module: SwapModule) -> nn.Module:
        """The averaged generator, prepared for evaluation at most once per step."""
        assert module.ema is not None
        if self._prepared != module.counters.steps:
            self.prepare(module.ema.network)
            self._prepared = module.counters.steps
        return module.ema.network

    def _write(self, row: dict[str, Any], sheet: str | None) -> None:
        assert self.record is not None
        self.record.add_metrics(row)
        for tell in self.listeners:
            tell(row, sheet)

    def _losses(self, module: SwapModule) -> dict[str, float]:
        losses, first_bad = module.meter.report()
        if first_bad is not None:
            self.outcome = "diverged"
            self.reason = f"a loss was not finite at step {first_bad}"
        seen, clock = module.counters.images_seen, time.perf_counter()
        images, seconds = seen - self._clock_images, max(clock - self._clock, 1e-9)
        self._images, self._training = self._images + images, self._training + seconds
        self._clock, self._clock_images = clock, seen
        step = seconds * module.images_per_step / max(images, 1)
        slowest, self._peak = max_over_ranks(torch.tensor([step, peak_memory_mb()])).tolist()
        self._stride = max(1, round(PATIENCE / slowest))
        return losses | {"train/images_per_second": round(images / seconds, 2), "train/progress": module.progress}

    def _measured(self, module: SwapModule) -> dict[str, float]:
        """Validation values; every rank measures its share. Raises RuntimeError if networks differ between ranks."""
        assert module.ema is not None
        check_equal({**module.networks, "average": module.ema.network})
        share_buffers(module.ema.network)
        return self.validate(self.average(module))

    def _validated(self, module: SwapModule) -> dict[str, float]:
        started = time.perf_counter()
        values = self._measured(module)
        value = values[self.best_metric]
        if better(self.best_metric, value, self.best):
            self.best = value
            if self.record is not None:
                facts = {
                    "metric": self.best_metric,
                    "value": str(value),
                    "images_seen": str(module.counters.images_seen),
                }
                save_weights(self.record.checkpoints / BEST, self.average(module), facts)
        self._clock += time.perf_counter() - started  # validation is not training time
        return values

    def _sheet(self, module: SwapModule) -> str | None:
        if self.record is None:
            return None
        path = self.record.sheet(module.counters.images_seen)
        save_sheet(path, self.draw(self.average(module)))
        return str(path)

    def _stop(self, module: SwapModule, done: bool) -> bool:
        if self.outcome == "diverged":
            return True
        if done:
            self.outcome, self.reason = "complete", "the budget is spent"
            return True
        spent = module.counters.images_seen - self._start_images
        if self.session_images is not None and spent >= self.session_images:
            self.outcome, self.reason = "interrupted", "this session's share of the budget is spent"
            return True
        number = self._asked_to_stop(module.counters.steps)
        if number:
            self.requests.number = number
            self.outcome, self.reason = "interrupted", str(Stopped(number))
            return True
        return False

    def _asked_to_stop(self, steps: int) -> int:
        """The signal that asks the run to stop after this step, with a checkpoint, or 0."""
        if world_size() == 1:
            return self.requests.number
        if steps % self._stride:  # ranks must stop together, and agreeing costs a round trip
            return 0
        return int(max_over_ranks(torch.tensor(float(self.requests.number))))

    def _save(self, module: SwapModule, trainer: pl.Trainer, kept: bool) -> None:
        meter = module.meter.state()
        if self.record is None:
            return
        assert module.ema is not None
        state = {
            "networks": module.networks.state_dict(),
            "ema": module.ema.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "counters": asdict(module.counters),
            "made": module.made,
            "done": module.done,
            "memories": {name: history.state() for name, history in module.memories().items()},
            "meter": meter,
            "best": self.best,
        }
        save_checkpoint(self.record.checkpoints / LAST, state)
        if kept:
            self._keep(module)

    def _keep(self, module: SwapModule) -> None:
        """Also save the current average, and delete all but the latest ``keep``."""
        assert self.record is not None
        folder, seen = self.record.checkpoints, module.counters.images_seen
        save_weights(folder / f"ema-{seen:09d}.safetensors", self.average(module), {"images_seen": str(seen)})
        for old in sorted(folder.glob("ema-*.safetensors"))[: -self.cadence.keep]:
            old.unlink()


def peak_memory_mb() -> float:
    """Peak memory of this process in MB: GPU memory if it has used a GPU, else main memory."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, kilobytes on Linux


def _typed(module: pl.LightningModule) -> SwapModule:
    assert isinstance(module, SwapModule)
    return module
