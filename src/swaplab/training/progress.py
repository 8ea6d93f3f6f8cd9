"""How far training is: a bar on a terminal, a plain line per report elsewhere, so that no log is empty."""

import sys
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from swaplab.runs.pace import Pace, line
from swaplab.training.module import SwapModule

# What the line shows of a row of metrics: the first that the row has.
SHOWN = {"val/oracle_swap_psnr": "swap", "val/reconstruction_psnr": "reconstruction"}


class ImagesBar(Callback):
    """Images seen of the budget, the time left, and the newest validation PSNR; on a terminal, on rank 0 only."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._quality = ""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        assert isinstance(pl_module, SwapModule)
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images,"),
            TimeRemainingColumn(),
            TextColumn("left{task.fields[quality]}"),
            console=console,
            disable=not (trainer.is_global_zero and console.is_terminal),
        )
        done, total = pl_module.counters.images_seen, pl_module.total_images
        self._task = self._bar.add_task("training", total=total, completed=done, quality=self._quality)
        self._bar.start()

    def tell(self, row: dict[str, Any], sheet: str | None) -> None:
        """Show the quality that a new row of metrics states, if it does."""
        found = next((name for name in SHOWN if name in row), None)
        if found is not None:
            self._quality = f", {SHOWN[found]} {row[found]:.1f} dB"
        if self._bar is not None:
            self._bar.update(self._task, quality=self._quality)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        assert isinstance(pl_module, SwapModule)
        assert self._bar is not None
        self._bar.update(self._task, completed=pl_module.counters.images_seen)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar down, also after an error."""
        if self._bar is not None:
            self._bar.stop()


class ReportLines(Callback):
    """A line on stdout for each row of metrics: images of the budget, loss, PSNR, speed and the time left."""

    def __init__(self, total: int) -> None:
        self.total, self._pace = total, Pace(total)

    def tell(self, row: dict[str, Any], sheet: str | None) -> None:
        """Print what a new row says."""
        print(line(row, self.total, self._pace.left(row, time.monotonic())), flush=True)


def shown(total: int) -> ImagesBar | ReportLines:
    """What shows how far a run of ``total`` images is; a bar only where nothing is written into a log meanwhile."""
    return ImagesBar() if sys.stdout.isatty() and sys.stderr.isatty() else ReportLines(total)
