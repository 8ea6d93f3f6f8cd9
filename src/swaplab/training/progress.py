"""The progress of training: a bar on a terminal, elsewhere a plain line per report, so that no log is empty."""

import sys
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich import progress as rich
from rich.console import Console

from swaplab.runs.pace import Pace, line
from swaplab.training.module import SwapModule

# Metrics that the bar may show: it shows the first one that a row has.
SHOWN = {"val/oracle_swap_psnr": "swap", "val/reconstruction_psnr": "reconstruction"}


class ImagesBar(Callback):
    """Images seen of the budget, time left and the latest validation PSNR; only on a terminal and on rank 0."""

    def __init__(self) -> None:
        self._bar: rich.Progress | None = None
        self._quality = ""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        assert isinstance(pl_module, SwapModule)
        console = Console(stderr=True)
        self._bar = rich.Progress(
            rich.TextColumn("training"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TextColumn("images,"),
            rich.TimeRemainingColumn(),
            rich.TextColumn("left{task.fields[quality]}"),
            console=console,
            disable=not (trainer.is_global_zero and console.is_terminal),
        )
        done, total = pl_module.counters.images_seen, pl_module.total_images
        self._task = self._bar.add_task("training", total=total, completed=done, quality=self._quality)
        self._bar.start()

    def tell(self, row: dict[str, Any], sheet: str | None) -> None:
        """Show the PSNR of a new row of metrics, if it has one."""
        found = next((name for name in SHOWN if name in row), None)
        if found is not None:
            self._quality = f", {SHOWN[found]} {row[found]:.1f} dB"
        if self._bar is not None:
            self._bar.update(self._task, quality=self._quality)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar."""
        assert isinstance(pl_module, SwapModule)
        assert self._bar is not None
        self._bar.update(self._task, completed=pl_module.counters.images_seen)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remove the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()


class ReportLines(Callback):
    """Prints a line on stdout for each row of metrics: images of the budget, loss, PSNR, speed and time left."""

    def __init__(self, total: int) -> None:
        self.total, self._pace = total, Pace(total)

    def tell(self, row: dict[str, Any], sheet: str | None) -> None:
        """Print the line of a new row."""
        print(line(row, self.total, self._pace.left(row, time.monotonic())), flush=True)


Progress = ImagesBar | ReportLines


def shown(total: int) -> Progress:
    """The progress display for a run of ``total`` images: a bar only if stdout and stderr are both terminals."""
    return ImagesBar() if sys.stdout.isatty() and sys.stderr.isatty() else ReportLines(total)
