"""A progress bar that counts images."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from swaplab.training.module import SwapModule


class ImagesBar(Callback):
    """Images seen of the budget and the time that is left; on rank 0 only."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        assert isinstance(pl_module, SwapModule)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images"),
            TimeRemainingColumn(),
            disable=not trainer.is_global_zero,
        )
        self._task = self._bar.add_task(
            "training", total=pl_module.total_images, completed=pl_module.counters.images_seen
        )
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        assert isinstance(pl_module, SwapModule)
        self._bar.update(self._task, completed=pl_module.counters.images_seen)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar down, also after an error."""
        if hasattr(self, "_bar"):
            self._bar.stop()
