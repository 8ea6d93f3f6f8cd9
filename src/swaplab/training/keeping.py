"""The callback that keeps a run's weights: the last checkpoint, the best average, the final one, and earlier ones."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from swaplab.catalogue import better
from swaplab.runs.weights import BEST, FINAL, save_weights
from swaplab.training.checkpoint import LAST
from swaplab.training.module import SwapModule
from swaplab.training.session import Session, due, typed, validation_due


class Keeping(Checkpoint):
    """Saves ``last.ckpt`` at intervals and whenever training stops, after the validation of that step.

    ``best.safetensors`` is the averaged generator with the best value of ``metric``; ``kept``: number of earlier
    averaged generators to keep. Lightning's ``ModelCheckpoint`` counts optimiser steps, and saves only whole modules.
    """

    def __init__(self, session: Session, metric: str, kept: int = 0) -> None:
        self.session, self.metric, self.kept = session, metric, kept
        self.record = session.logger.record
        self.best: float | None = None
        self._saved_at: int | None = None  # steps at the latest checkpoint

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._saved_at = typed(pl_module).counters.steps

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Save if a checkpoint is due, unless validation follows."""
        module = typed(pl_module)
        validates = trainer.should_stop or validation_due(trainer, module)
        if not (validates and trainer.limit_val_batches):
            if module.logged.get("steps") == module.counters.steps:
                self.session.logger.log_metrics(module.logged)  # Lightning passes them on only after this hook
            self._save_if_due(trainer, module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best average; then save if a checkpoint is due."""
        module = typed(pl_module)
        if trainer.sanity_checking:
            return
        value = module.measured.get(self.metric)  # missing if a limit leaves out its faces
        if value is not None and better(self.metric, value, self.best):
            self.best = value
            self._save_weights(module, BEST, {"metric": self.metric, "value": str(value)})
        self._save_if_due(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what a limit of the trainer has ended."""
        module = typed(pl_module)
        if self._saved_at != module.counters.steps:
            self._save(trainer, module)

    def save_final(self, module: SwapModule) -> None:
        """Save the averaged generator of a complete run."""
        self._save_weights(module, FINAL, {"weights": "ema"})

    def _save_if_due(self, trainer: pl.Trainer, module: SwapModule) -> None:
        regular = due(self.session.cadence.checkpoint, module)
        if regular or trainer.should_stop:
            self._save(trainer, module)
        if regular and self.kept and self.session.outcome != "diverged" and self.record is not None:
            self._save_weights(module, f"ema-{module.counters.images_seen:09d}.safetensors", {})
            for old in sorted(self.record.checkpoints.glob("ema-*.safetensors"))[: -self.kept]:
                old.unlink()

    def _save(self, trainer: pl.Trainer, module: SwapModule) -> None:
        if self.session.outcome == "diverged":
            return
        self._saved_at = module.counters.steps
        self.session.logger.flush()
        place = "" if self.record is None else str(self.record.checkpoints / LAST)
        trainer.save_checkpoint(place)

    def _save_weights(self, module: SwapModule, name: str, facts: dict[str, str]) -> None:
        if self.record is not None:
            known = {"images_seen": str(module.counters.images_seen)}
            save_weights(self.record.checkpoints / name, module.averaged(), facts | known)
