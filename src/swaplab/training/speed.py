"""How fast a run trains, and what it costs."""

import resource
import sys
import time
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from swaplab.collectives import max_over_ranks
from swaplab.runs.pace import SPEED


class Speed(Callback):
    """Logs images per second of training, without validation, with every report of losses.

    ``step_seconds``: seconds of a step of the slowest rank since the last report; 0 before the first one.
    """

    def __init__(self) -> None:
        self.step_seconds = 0.0
        self._training = 0.0  # seconds of this session without validation
        self._images = 0
        self._peak = 0.0
        self._started: float | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._started = self._clock = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Begin to measure."""
        self._clock, self._clock_images = time.perf_counter(), pl_module.counters.images_seen

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Validation is not training time."""
        self._clock += time.perf_counter() - self._paused

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log the speed since the last report."""
        if pl_module.reported_at != pl_module.counters.steps:
            return
        seen, clock = pl_module.counters.images_seen, time.perf_counter()
        images, seconds = seen - self._clock_images, max(clock - self._clock, 1e-9)
        self._images, self._training = self._images + images, self._training + seconds
        self._clock, self._clock_images = clock, seen
        step = seconds * pl_module.images_per_step / max(images, 1)
        self.step_seconds, self._peak = max_over_ranks(torch.tensor([step, peak_memory_mb()])).tolist()
        pl_module.log_values({SPEED: round(images / seconds, 2)})

    def cost(self, seconds_before: float) -> dict[str, float]:
        """Seconds of all sessions, images per second of training in this session, and peak memory of any rank.

        ``seconds_before``: seconds of earlier sessions.
        """
        seconds = 0.0 if self._started is None else time.perf_counter() - self._started
        cost = {
            "seconds": round(seconds_before + seconds, 1),
            "peak_memory_mb": round(max(self._peak, peak_memory_mb()), 1),
        }
        speed = {"images_per_second": round(self._images / self._training, 2)} if self._images else {}
        return cost | speed


def peak_memory_mb() -> float:
    """Peak memory of this process in MB: GPU memory if it has used a GPU, else main memory."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, kilobytes on Linux
