"""The updates of a step, with manual optimisation: the part of the LightningModule that trains."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from swaplab.collectives import WholeBatchError, part_of_a_batch
from swaplab.errors import UserError
from swaplab.losses.adversarial import History
from swaplab.losses.context import StepContext
from swaplab.losses.settings import StepSettings
from swaplab.losses.term import LossTerm
from swaplab.networks import spectral
from swaplab.networks.names import GENERATOR
from swaplab.schedule import Schedule, value_at
from swaplab.training.actions import Action, Trainee, due
from swaplab.training.batches import divided
from swaplab.training.checks import check_accumulation, check_parts, share_of
from swaplab.training.clipping import Clip
from swaplab.training.distributed import sum_gradients
from swaplab.training.ema import EMA
from swaplab.training.groups import Group, check_groups, grouped
from swaplab.training.meter import Counters, LossMeter
from swaplab.training.parameters import parameters_of, penalise
from swaplab.training.updates import Update, UpdateOrder, parts

OptimizerFactory = Callable[..., torch.optim.Optimizer]  # of parameters, or of groups of parameters


class UpdatingModule(pl.LightningModule):
    """Networks, loss terms and an update order; `step` makes all updates that are due, also without a Trainer.

    A batch is {"position": (parts * n,), "faces": {identity: {"input": uint8 (parts * n, 3, R, R), "target": ...}}}.
    Losses are shares of the global mean and gradients are summed over ranks, so any sharding gives the same step.
    ``accumulate``: number of micro-batches per update, whose gradients are summed: less memory, the same step. Then
    each update has its own forward pass of the generator. ``clips``, ``groups``: of a network's updates and optimisers.
    Raises UserError if a layer or a loss needs the whole batch.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module] | nn.ModuleDict,
        terms: Mapping[str, LossTerm],
        order: UpdateOrder,
        optimizers: Mapping[str, OptimizerFactory],
        *,
        identities: tuple[str, ...],
        settings: StepSettings,
        total_images: int,
        learning_rate: float | Schedule = 1.0,
        actions: Mapping[str, Action] | None = None,
        accumulate: int = 1,
        clips: Mapping[str, Clip] | None = None,
        groups: Mapping[str, Sequence[Group]] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.networks = nn.ModuleDict(dict(networks.items()))
        self.terms, self.factories = dict(terms), dict(optimizers)
        self.updates = order.updates(identities, tuple(networks.keys()))
        self.parts = parts(self.updates)
        self.identities, self.settings, self.total_images = identities, settings, total_images
        self.learning_rate, self.accumulate = learning_rate, accumulate
        self.clips, self.groups = dict(clips or {}), dict(groups or {})
        self.step_limit: int | None = None  # of a run that is debugged: it is over after so many steps
        self.ema: EMA | None = None
        self.counters, self.meter = Counters(), LossMeter()
        self.made: dict[str, int] = {update.name: 0 for update in self.updates}
        self.actions = dict(actions or {})
        self.done: list[dict[str, Any]] = []
        check_parts(self)
        check_accumulation(self)
        for name in self.groups.keys() & self.networks.keys():
            check_groups(self.networks[name], name, self.groups[name])

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(1.0, self.counters.images_seen / self.total_images)

    @property
    def over(self) -> bool:
        """Whether the last step is made: the budget is spent, or the limit of steps is reached."""
        limited = self.step_limit is not None and self.counters.steps >= self.step_limit
        return limited or self.counters.images_seen >= self.total_images

    @property
    def images_per_step(self) -> int:
        """Faces per step over all ranks."""
        return self.settings.global_batch * len(self.identities) * self.parts

    def memories(self) -> dict[str, History]:
        """The histories that loss terms keep across steps, by term."""
        histories = {name: getattr(term, "history", None) for name, term in self.terms.items()}
        return {name: history for name, history in histories.items() if history is not None}

    def terms_of(self, update: Update) -> dict[str, LossTerm]:
        """The loss terms of an update, by name."""
        return {name: term for name, term in self.terms.items() if term.side == update.side}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One optimiser per update, in the order of updates."""
        missing = {u.network for u in self.updates} - set(self.factories)
        if missing:
            raise UserError(f"optimizer.{missing.pop()} is missing; every network that is updated needs an optimiser")
        optimizers = [
            self.factories[u.network](
                grouped(parameters_of(self.networks[u.network], u, self.identities), self.groups.get(u.network, ()))
            )
            for u in self.updates
        ]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["base_lr"] = group["lr"]
        return optimizers

    def step(self, batch: dict[str, Any]) -> None:
        """Make all actions and then all updates that are due, in order."""
        optimizers = self._optimizers()
        self._act([getattr(o, "optimizer", o) for o in optimizers])
        now = [u for u in self.updates if self.counters.steps % u.every == u.every - 1]
        contexts = self.contexts(batch, {u.part for u in now if u.network == GENERATOR})
        for update in now:
            optimizer = optimizers[self.updates.index(update)]
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * value_at(self.learning_rate, self.progress)
            step = contexts[update.part]
            for part in step.micro_batches(self.accumulate, gradients=update.network == GENERATOR):
                with part.update(update.network, update.identities), self._others_frozen(update):
                    self.manual_backward(self._loss(update, part))
            trained = [p for group in optimizer.param_groups for p in group["params"]]
            sum_gradients(trained)
            penalise(self.networks[update.network], trained)
            if update.network in self.clips:
                self.clips[update.network](trained)
            spectral.advance(self.networks[update.network])
            optimizer.step()
            # also clears gradients of parameters that this update does not change
            self.networks.zero_grad(set_to_none=True)
            step.stepped(update.network)
            self.made[update.name] += 1
        self.counters.steps += 1
        self.counters.images_seen += self.images_per_step

    def _act(self, optimizers: list[torch.optim.Optimizer]) -> None:
        """Make the one-off actions that are due, and record them."""
        made = Counter(entry["action"] for entry in self.done)
        trainee = Trainee(self.networks, self.ema.network if self.ema else None, optimizers)
        for name in due(self.actions, made, self.progress):
            self.actions[name](trainee)
            self.done.append({"action": name, "images_seen": self.counters.images_seen})

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def contexts(self, batch: dict[str, Any], learning: set[int]) -> list[StepContext]:
        """One context per ``Update.part``, with faces as floats in [0, 1].

        ``learning``: parts that train the generator, so that its forward pass keeps gradients.
        """
        chunks = divided(batch, self.parts, next(self.networks.parameters()).dtype)
        return [
            StepContext(self.networks, faces, position, self.progress, self.settings, gradients=part in learning)
            for part, (faces, position) in enumerate(chunks)
        ]

    @contextmanager
    def _others_frozen(self, update: Update) -> Iterator[None]:
        """A context without gradients for the other networks, except for the generator, whose graph is shared."""
        others = [n for name, n in self.networks.items() if name not in (update.network, GENERATOR)]
        learning = [p for other in others for p in other.parameters() if p.requires_grad]
        for parameter in learning:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in learning:
                parameter.requires_grad_(True)

    @contextmanager
    def _in_micro_batches(self, name: str) -> Iterator[None]:
        """The context of a loss; with micro-batches it raises UserError if the loss needs the whole batch."""
        with part_of_a_batch() if self.accumulate > 1 else nullcontext():
            try:
                yield
            except WholeBatchError:
                raise UserError(
                    f"loss.{name} needs the whole batch, so accumulate={self.accumulate} would change it; set "
                    f"accumulate=1 or choose another loss"
                ) from None

    def _loss(self, update: Update, step: StepContext) -> Tensor:
        total: Tensor | None = None
        for name, term in self.terms_of(update).items():
            weight = value_at(term.weight, step.progress)
            with torch.set_grad_enabled(weight != 0), self._in_micro_batches(name):
                value = share_of(name, term(step))
            self.meter.add(f"loss/{term.side}/{name}", value, self.counters.steps)
            self.meter.add(f"loss/{term.side}/{name}_weighted", weight * value, self.counters.steps)
            if weight != 0:
                total = weight * value if total is None else total + weight * value
        if total is None:
            raise UserError(
                f"every loss of the {update.side} has weight 0 at progress {step.progress:.2f}; increase one weight"
            )
        return total
