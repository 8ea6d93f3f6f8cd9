"""A session of a run: begins with a row for the untrained network, draws sheets, and decides when to stop."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from swaplab.collectives import max_over_ranks, world_size
from swaplab.runs.sheets import write_newest
from swaplab.sheets import Sheet
from swaplab.stopping import Requests, Stopped
from swaplab.training.distributed import check_same
from swaplab.training.module import SwapModule
from swaplab.training.record_logger import RecordLogger
from swaplab.training.speed import Speed

Draw = Callable[[nn.Module], Sheet]

PATIENCE = 2.0  # maximum seconds until all ranks react to a signal to one of them
NEVER = 2**62  # steps


@dataclass(frozen=True)
class Cadence:
    """Images between two reports, validations, sample sheets and checkpoints; 0: only at the end."""

    report: int
    validate: int
    sample: int
    checkpoint: int


def steps_between(images: int, images_per_step: int) -> int:
    """An interval in whole steps: the nearest to so many images, at least 1; NEVER for 0."""
    return max(1, round(images / images_per_step)) if images else NEVER


class Session(Callback):
    """One process's share of a run: its first row, its sheets, and its end. See `Cadence`.

    ``outcome``, ``reason``: how and why it ended; None if something else ended it. ``same``: what must be equal on all
    ranks.
    """

    def __init__(
        self,
        logger: RecordLogger,
        cadence: Cadence,
        requests: Requests,
        speed: Speed,
        *,
        draw: Draw,
        session_images: int | None = None,
        session_seconds: float | None = None,
        resumed: bool = False,
        same: Mapping[str, str] | None = None,
    ) -> None:
        self.logger, self.cadence, self.requests, self.speed, self.draw = logger, cadence, requests, speed, draw
        self.session_images, self.session_seconds = session_images, session_seconds
        self.resumed, self.same = resumed, dict(same or {})
        self.outcome: str | None = None
        self.reason = "a callback or a limit of the trainer ended it"

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the ranks."""
        check_same(self.same)
        module = typed(pl_module)
        self.logger.stale = lambda: module.names - module.logged.keys()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the first row of a new run; stop a run that was killed after its last step."""
        module = typed(pl_module)
        self._start_images, self._started = module.counters.images_seen, time.monotonic()
        if not self.resumed:
            self.logger.log_metrics({"images_seen": 0, "steps": 0, **self._untrained(trainer, module)})
            self.logger.flush()
        elif self._ends(module):
            trainer.should_stop = True

    def _untrained(self, trainer: pl.Trainer, module: SwapModule) -> dict[str, float]:
        """The validation metrics of the untrained network; none where validation is limited to some batches."""
        module.on_validation_start()
        return {} if isinstance(trainer.limit_val_batches, int) else module.measure["val"](module.averaged())

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """The row of the last step is complete."""
        self.logger.flush()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """After each step: stop if it was the last one, and draw a sheet if one is due."""
        module = typed(pl_module)
        if self._ends(module):
            validates = self.outcome == "complete" or validation_due(trainer, module)
            if self.outcome == "diverged" or not validates:
                trainer.limit_val_batches = 0  # else Lightning would validate once more
            trainer.should_stop = True
        if self.outcome != "diverged" and self.logger.record is not None and due(self.cadence.sample, module):
            path = self.logger.record.sheet(module.counters.images_seen)
            write_newest(path, self.draw(module.averaged()))
            self.logger.log_sheet(module.counters.images_seen, module.counters.steps, path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Losses since the last report are in the checkpoint, and the next session reports them."""
        if self.outcome is not None:
            self.logger.close()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find out why another callback has ended the run."""
        if self.outcome is None:
            self.reason = reason_of(trainer) or self.reason

    def _ends(self, module: SwapModule) -> bool:
        seen = module.counters.images_seen
        if module.first_bad_step is not None:
            self.outcome, self.reason = "diverged", f"a loss was not finite at step {module.first_bad_step}"
        elif module.over:
            spent = seen >= module.total_images
            reason = "the budget is spent" if spent else f"its limit of {module.step_limit} steps is reached"
            self.outcome, self.reason = "complete", reason
        elif self.session_images is not None and seen - self._start_images >= self.session_images:
            self.outcome, self.reason = "interrupted", "this session's share of the budget is spent"
        else:
            number, late = self._asked_to_stop(module.counters.steps)
            if number:
                self.requests.number = number
                self.outcome, self.reason = "interrupted", str(Stopped(number))
            elif late:
                self.outcome, self.reason = "interrupted", "this session's time (trainer.max_time) is over"
        return self.outcome is not None

    def _asked_to_stop(self, steps: int) -> tuple[int, bool]:
        """The signal, or 0, that asks the run to stop after this step, and whether its time is over; on any rank."""
        late = self.session_seconds is not None and time.monotonic() - self._started >= self.session_seconds
        if world_size() == 1:
            return self.requests.number, late
        seconds = self.speed.step_seconds
        stride = max(1, round(PATIENCE / seconds)) if seconds else 1
        if steps % stride:  # ranks must stop together, and agreeing costs a round trip
            return 0, False
        number, anywhere = max_over_ranks(torch.tensor([float(self.requests.number), float(late)])).tolist()
        return int(number), bool(anywhere)


def reason_of(trainer: pl.Trainer) -> str | None:
    """Why Lightning's ``EarlyStopping`` has ended training; None if it has not."""
    said = [each.stopping_reason_message for each in trainer.early_stopping_callbacks if each.stopping_reason_message]
    return f"early stopping: {said[0].removesuffix(' Signaling Trainer to stop.')}" if said else None


def due(every: int, module: SwapModule) -> bool:
    """Whether something that happens once in so many images, and at the end, happens after this step."""
    return module.over or module.counters.steps % steps_between(every, module.images_per_step) == 0


def typed(module: pl.LightningModule) -> SwapModule:
    """The module, known to be ours."""
    assert isinstance(module, SwapModule)
    return module


def validation_due(trainer: pl.Trainer, module: SwapModule) -> bool:
    """Whether Lightning validates after this step, as its interval says."""
    every = trainer.val_check_batch
    return every is not None and module.counters.steps % every == 0
