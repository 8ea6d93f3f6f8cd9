"""The callback that keeps the exponential moving average of a module's generator."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from swaplab.networks.names import GENERATOR


class AveragedGenerator(Callback):
    """Updates ``SwapModule.ema`` after every step, with a half-life in images.

    `SwapModule` adds this callback to any Trainer, and saves the average in its checkpoints. Lightning's
    ``WeightAveraging`` leaves out batches without an optimiser step, so with `generator_every` the half-life would not
    be in images, and it averages the discriminator and numbers that are no averages, such as measured codes.
    """

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._prepare(pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._prepare(pl_module)

    def on_test_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._prepare(pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        # also without an update of the generator: the half-life is in images, not in generator updates
        before = pl_module.counters.images_seen - pl_module.images_per_step
        pl_module.ema.follow(pl_module.networks[GENERATOR], pl_module.images_per_step, before)

    def _prepare(self, module: Any) -> None:
        """Begin the average where there is none, and move it to the module's device."""
        module.begin_average().network.to(module.device)
