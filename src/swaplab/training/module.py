"""The LightningModule: what `UpdatingModule` trains is logged, validated, averaged and saved by Lightning's hooks."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from swaplab.collectives import rank, world_size
from swaplab.errors import UserError
from swaplab.networks.loading import check_state
from swaplab.networks.names import GENERATOR
from swaplab.training.averaging import AveragedGenerator
from swaplab.training.batches import check_batch
from swaplab.training.checkpoint import STATE, VERSION
from swaplab.training.distributed import check_equal, share_buffers
from swaplab.training.ema import EMA
from swaplab.training.meter import Counters
from swaplab.training.updating import UpdatingModule


class Measurement(Protocol):
    """Measures a generator on held-out faces, a batch at a time; equal results on all ranks."""

    def update(self, generator: nn.Module, batch: Any) -> None:
        """Measure one batch of ``val_dataloader`` or ``test_dataloader``."""
        ...

    def __call__(self, generator: nn.Module) -> dict[str, float]:
        """Measure all held-out faces, outside Lightning's loops. Every rank must call it."""
        ...

    def compute(self) -> dict[str, float]:
        """The metrics of all batches since the last call. Every rank must call it."""
        ...


class SwapModule(UpdatingModule):
    """`UpdatingModule` with Lightning's hooks, for any ``lightning.Trainer``.

    Every ``log_every_n_steps`` it logs the mean of each loss since the last report; after validation and testing, the
    metrics of ``measure["val"]`` and ``measure["test"]`` for the averaged generator, whose weights have a half-life of
    ``ema_half_life`` images. ``prepare`` is called with a generator before it is measured or used.
    """

    def __init__(
        self,
        *components: Any,
        ema_half_life: float = 10_000,
        measure: Mapping[str, Measurement] | None = None,
        prepare: Callable[[nn.Module], None] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*components, **settings)
        self.ema_half_life = ema_half_life
        self.measure, self._prepare = dict(measure or {}), prepare
        self.measured: dict[str, float] = {}  # the latest values of validation
        self.first_bad_step: int | None = None  # the first step with a loss that was not finite
        self.logged: dict[str, float] = {}  # the latest values, and the position at which they were logged
        self.names: set[str] = set()  # of all values that were logged at any time
        self.reported_at = 0  # steps at the latest report
        self._prepared_at: int | None = None

    def configure_callbacks(self) -> list[Callback]:
        """The average of the generator, unless the trainer has that callback."""
        present = any(isinstance(callback, AveragedGenerator) for callback in self.trainer.callbacks)  # type: ignore[attr-defined]
        return [] if present else [AveragedGenerator()]

    def on_fit_start(self) -> None:
        """Raise UserError, equally on all ranks, if there are more micro-batches than faces."""
        faces = self.settings.global_batch // world_size()
        if self.accumulate > faces:
            raise UserError(
                f"accumulate={self.accumulate} must be at most {faces}, the faces of a process per identity"
            )

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Check the first batch of a fit. Under ``strategy="ddp"``, leave the gradients to `step`, which sums them."""
        wrapped = self.trainer.strategy.model
        if isinstance(wrapped, DistributedDataParallel):  # Lightning sets it back after every step
            wrapped.require_backward_grad_sync = wrapped.require_forward_param_sync = False
        if batch_idx == 0:
            share, rest = divmod(self.settings.global_batch, world_size())
            most = share + (rest > 0)
            check_batch(batch, self.identities, self.parts, len(self.settings.masks), (share, most))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """`step`, and a report of the losses where one is due."""
        self.step(batch)
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if self.over or (every and self.counters.steps % every == 0):
            self._report()

    def on_train_epoch_end(self) -> None:
        """Report the losses of the last steps; with ``overfit_batches`` an epoch is only a few steps."""
        if not self.trainer.overfit_batches:  # type: ignore[attr-defined]
            self._report()

    def _report(self) -> None:
        """Log the means of the losses since the last report; no-op if there was no step since."""
        means, first_bad = self.meter.report()
        if means:
            self.first_bad_step, self.reported_at = first_bad, self.counters.steps
            self.log_values(means | {"train/progress": self.progress})

    def log_values(self, values: Mapping[str, float]) -> None:
        """Log values that are equal on all ranks, in full precision, with the position of the run."""
        position = asdict(self.counters)
        self.names |= values.keys()
        self.logged = (self.logged if position.items() <= self.logged.items() else {}) | {**values, **position}
        row = {name: torch.tensor(float(v), dtype=torch.float64) for name, v in {**values, **position}.items()}
        # the maximum of equal values is exact; Lightning asks for a reduction at the end of an evaluation
        self.log_dict(row, reduce_fx="max", sync_dist=not self.trainer.training)

    def begin_average(self) -> EMA:
        """The average of the generator; it begins with the weights of now where there was none."""
        self.ema = self.ema or EMA(self.networks[GENERATOR], self.ema_half_life)
        return self.ema

    def averaged(self) -> nn.Module:
        """The averaged generator, prepared for use at most once per step; without an average the generator itself."""
        network = self.ema.network if self.ema else self.networks[GENERATOR]
        if self._prepare is not None and self._prepared_at != self.counters.steps:
            with torch.inference_mode(False), torch.no_grad():
                self._prepare(network)
            self._prepared_at = self.counters.steps
        return network

    def on_validation_start(self) -> None:
        """Raise RuntimeError if networks differ between ranks; give all ranks the running statistics of rank 0."""
        average = {"average": self.ema.network} if self.ema else {}
        check_equal({**self.networks, **average})
        share_buffers(self.averaged())

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the averaged generator on a batch of held-out faces."""
        self._measurement("val").update(self.averaged(), batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of all batches; those of Lightning's sanity check count for nothing."""
        measured = self._measurement("val").compute()
        if not self.trainer.sanity_checking:
            self.measured = measured
            self.log_values(measured)

    def on_test_start(self) -> None:
        """As before validation."""
        self.on_validation_start()

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Measure the averaged generator on a batch of test faces."""
        self._measurement("test").update(self.averaged(), batch)

    def on_test_epoch_end(self) -> None:
        """Log the metrics of all batches."""
        self.log_values(self._measurement("test").compute())

    def _measurement(self, split: str) -> Measurement:
        if split not in self.measure:
            raise UserError(
                f"this module cannot measure {split} faces; build it with swaplab.build_module(config, data)"
            )
        return self.measure[split]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of: position, average, histories, and losses since the last report."""
        checkpoint[STATE] = {
            "version": VERSION,
            "counters": asdict(self.counters),
            "made": self.made,
            "done": self.done,
            "average": None if self.ema is None else self.ema.network.state_dict(),
            "memories": {name: history.state() for name, history in self.memories().items()},
            "meter": self.meter.state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the same. Raises UserError for the checkpoint of another architecture."""
        check_state(self, checkpoint["state_dict"], "the checkpoint")
        if self._trainer is None or self._trainer.precision == "64-true":
            # Lightning loads weights before it makes the module float64, and would round them
            self.networks.to(
                next(value.dtype for value in checkpoint["state_dict"].values() if value.is_floating_point())
            )
        state = checkpoint[STATE]
        self.counters, self.made, self.done = Counters(**state["counters"]), dict(state["made"]), list(state["done"])
        if state["average"] is not None:
            average = self.begin_average().network
            check_state(average, state["average"], "the checkpoint's average")
            # as it was saved: the networks get their precision and device only after this hook
            average.load_state_dict(state["average"], assign=True)
        for name, history in self.memories().items():
            history.restore(state["memories"][name])
        self.meter.restore(state["meter"], share=rank() == 0)
        self._prepared_at = None
