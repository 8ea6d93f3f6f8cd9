"""The LightningModule: makes the updates of the update order in each step, with manual optimisation."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from swaplab.collectives import WholeBatchError, min_over_ranks, part_of_a_batch, sum_over_ranks, world_size
from swaplab.errors import UserError
from swaplab.losses.adversarial import History
from swaplab.losses.context import GENERATOR, StepContext, StepSettings
from swaplab.losses.reconstruction import Auxiliary
from swaplab.losses.term import SIDES, LossTerm
from swaplab.networks import spectral
from swaplab.networks.regularisation import regularised_kernels
from swaplab.networks.statistics import tracking
from swaplab.schedule import Schedule, value_at
from swaplab.training.actions import Action, Trainee, due
from swaplab.training.distributed import sum_gradients
from swaplab.training.ema import EMA
from swaplab.training.updates import Update, UpdateOrder, parts

OptimizerFactory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

NEVER = torch.iinfo(torch.int64).max  # a step that no run reaches


@dataclass
class Counters:
    """Position of a run. ``images_seen`` counts the faces of all identities, all batches of a step and all ranks."""

    steps: int = 0
    images_seen: int = 0


class LossMeter:
    """Sums of losses on the device, read once per report, so that no step waits for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._first_bad: Tensor | None = None

    def add(self, name: str, value: Tensor, step: int) -> None:
        """Add a value (a scalar on the device) and remember the first step with a non-finite one.

        Values of one name in one step are summed: each identity may have its own update.
        """
        value = value.detach().double()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + (self._last.get(name) != step)
        self._last[name] = step
        bad = torch.where(torch.isfinite(value), NEVER, step)
        self._first_bad = bad if self._first_bad is None else torch.minimum(self._first_bad, bad)

    def report(self) -> tuple[dict[str, float], int | None]:
        """Means per step since the last report, over all ranks, and the first non-finite step on any rank or None."""
        state = self.state()
        self._sums, self._first_bad = {}, None
        means = {name: total / self._counts[name] for name, (total, _) in state["losses"].items()}
        self._counts = {}
        return means, state["first_bad"]

    def state(self) -> dict[str, Any]:
        """Sum over all ranks and number of steps of each loss since the last report; the first non-finite step."""
        names = sorted(self._sums)
        if self._first_bad is None:
            return {"losses": {}, "first_bad": None}
        totals = sum_over_ranks(torch.stack([self._sums[n] for n in names])).tolist()
        # totals are equal on all ranks, so either all ranks make this call or none
        first_bad = None if all(map(math.isfinite, totals)) else int(min_over_ranks(self._first_bad))
        losses = {name: (total, self._counts[name]) for name, total in zip(names, totals, strict=True)}
        return {"losses": losses, "first_bad": first_bad}

    def restore(self, state: Mapping[str, Any], share: bool) -> None:
        """Restore a state. The sums are over all ranks, so only the rank with ``share`` holds them."""
        for name, (total, count) in state["losses"].items():
            self._sums[name] = torch.tensor(total if share else 0.0, dtype=torch.float64)
            self._counts[name] = count
            self._first_bad = torch.tensor(NEVER if state["first_bad"] is None else state["first_bad"])


class SwapModule(pl.LightningModule):
    """Networks, loss terms and an update order; `training_step` makes all updates that are due.

    A batch is {"position": (parts * n,), "faces": {identity: {"input": uint8 (parts * n, 3, R, R), "target": ...}}}.
    Losses are shares of the global mean and gradients are summed over ranks, so any sharding gives the same step.
    ``accumulate``: number of micro-batches per update, whose gradients are summed: less memory, the same step. Then
    each update has its own forward pass of the generator. Raises UserError if a layer or a loss needs the whole batch.
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
        ema_half_life: float = 10_000,
        actions: Mapping[str, Action] | None = None,
        accumulate: int = 1,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.networks = nn.ModuleDict(dict(networks.items()))
        self.terms, self.factories = dict(terms), dict(optimizers)
        self.updates = order.updates(identities, tuple(networks.keys()))
        self.parts = parts(self.updates)
        self.identities, self.settings, self.total_images = identities, settings, total_images
        self.learning_rate, self.accumulate = learning_rate, accumulate
        self.ema: EMA | None = None
        self.ema_half_life = ema_half_life
        self.counters, self.meter = Counters(), LossMeter()
        self.made: dict[str, int] = {update.name: 0 for update in self.updates}
        self.actions = dict(actions or {})
        self.done: list[dict[str, Any]] = []
        self._check()

    def _check(self) -> None:
        for name, term in self.terms.items():
            if term.side not in SIDES:
                raise UserError(f"loss.{name}.side={term.side} must be {' or '.join(SIDES)}")
        for update in self.updates:
            if update.network not in self.networks:
                raise UserError(f"updates needs a {update.network}, but there is none; add one or choose another order")
            if not self.terms_of(update):
                raise UserError(
                    f"no loss trains the {update.side}; add one, such as loss/adversarial=lsgan, or remove the network"
                )
        heads = getattr(self.networks[GENERATOR], "aux_heads", ())
        if heads and not any(isinstance(term, Auxiliary) for term in self.terms.values()):
            raise UserError(
                f"no loss trains the generator's outputs {', '.join(heads)}; set loss/auxiliary=faceswap_gan"
            )
        for action in self.actions.values():
            action.check(self.networks)
        idle = {t.side for t in self.terms.values()} - {u.side for u in self.updates}
        if idle:
            names = [name for name, term in self.terms.items() if term.side in idle]
            side = idle.pop()
            raise UserError(
                f"losses {', '.join(names)} have no effect, because no {side} is trained; add a {side} or turn them off"
            )
        self._check_accumulation()

    def _check_accumulation(self) -> None:
        """Raise UserError if micro-batches would not give the same step as the whole batch."""
        count = self.accumulate
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise UserError(f"accumulate={count} must be a whole number of at least 1")
        if count == 1:
            return
        layers = [m for m in self.networks.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        unlike = [type(m).__name__ for m in (*layers, *tracking(self.networks).values())]
        unlike += ["mixup"] if self.settings.mixup else []
        if unlike:
            raise UserError(
                f"accumulate={count} would change the step, because {unlike[0]} depends on the faces in a micro-batch; "
                f"set accumulate=1, or norm=group and noise/mixup=none"
            )

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(1.0, self.counters.images_seen / self.total_images)

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

    def parameters_of(self, update: Update) -> list[nn.Parameter]:
        """The parameters of an update."""
        network = self.networks[update.network]
        foreign: tuple[str, ...] = ()
        if update.own and update.identities is not None:
            others = set(self.identities) - set(update.identities)
            foreign = tuple(
                f"{path}.{other}"
                for path, module in network.named_modules()
                if isinstance(module, nn.ModuleDict) and set(module) == set(self.identities)
                for other in others
            )
        return [
            p
            for name, p in network.named_parameters()
            if p.requires_grad and _within(name, update.trains) and not _within(name, foreign)
        ]

    def _penalise(self, update: Update) -> None:
        """Add the gradient of ``l2 * sum(w ** 2)`` of regularised kernels, in addition to any weight decay."""
        network = self.networks[update.network]
        l2 = float(getattr(network, "l2", 0.0))
        if l2 == 0:
            return
        moved = {id(parameter) for parameter in self.parameters_of(update)}
        for kernel in regularised_kernels(network):
            if id(kernel) in moved:
                pull = 2 * l2 * kernel.detach()
                kernel.grad = pull if kernel.grad is None else kernel.grad.add_(pull)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One optimiser per update, in the order of updates."""
        missing = {u.network for u in self.updates} - set(self.factories)
        if missing:
            raise UserError(f"optimizer.{missing.pop()} is missing; every network that is updated needs an optimiser")
        optimizers = [self.factories[u.network](self.parameters_of(u)) for u in self.updates]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["base_lr"] = group["lr"]
        return optimizers

    def on_fit_start(self) -> None:
        """Raise UserError, equally on all ranks, if there are more micro-batches than faces."""
        faces = self.settings.global_batch // world_size()
        if self.accumulate > faces:
            raise UserError(
                f"accumulate={self.accumulate} must be at most {faces}, the faces of a process per identity"
            )

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
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
            sum_gradients(p for group in optimizer.param_groups for p in group["params"])
            self._penalise(update)
            spectral.advance(self.networks[update.network])
            optimizer.step()
            # also clears gradients of parameters that this update does not change
            self.networks.zero_grad(set_to_none=True)
            step.stepped(update.network)
            self.made[update.name] += 1
        before = self.counters.images_seen
        self.counters.steps += 1
        self.counters.images_seen += self.images_per_step
        if self.ema:  # also without a generator update: the half-life is in images, not in generator steps
            self.ema.follow(self.networks[GENERATOR], self.images_per_step, before)

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
        dtype = next(self.networks.parameters()).dtype
        faces = {
            name: {kind: images.to(dtype).div_(255) for kind, images in of.items()}
            for name, of in batch["faces"].items()
        }
        chunks: list[dict[str, dict[str, Tensor]]] = [{} for _ in range(self.parts)]
        for name, of in faces.items():
            for kind, images in of.items():
                for chunk, piece in zip(chunks, images.chunk(self.parts), strict=True):
                    chunk.setdefault(name, {})[kind] = piece
        positions = batch["position"].chunk(self.parts)
        return [
            StepContext(self.networks, chunk, position, self.progress, self.settings, gradients=part in learning)
            for part, (chunk, position) in enumerate(zip(chunks, positions, strict=True))
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
                value = term(step)
            self.meter.add(f"loss/{term.side}/{name}", value, self.counters.steps)
            self.meter.add(f"loss/{term.side}/{name}_weighted", weight * value, self.counters.steps)
            if weight != 0:
                total = weight * value if total is None else total + weight * value
        if total is None:
            raise UserError(
                f"every loss of the {update.side} has weight 0 at progress {step.progress:.2f}; increase one weight"
            )
        return total


def _within(name: str, prefixes: Collection[str]) -> bool:
    """Whether a dotted name begins with one of the dotted prefixes; "" is a prefix of all names."""
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes if prefix) or "" in prefixes
