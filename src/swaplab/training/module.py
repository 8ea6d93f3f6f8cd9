"""The LightningModule: walks the update plan once a step, in manual optimisation."""

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
from swaplab.training.plan import Plan, Update, parts

OptimizerFactory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

NEVER = torch.iinfo(torch.int64).max  # a step that no run reaches


@dataclass
class Counters:
    """Where a run is. ``images_seen`` counts the faces of all identities, parts and ranks."""

    steps: int = 0
    images_seen: int = 0


class LossMeter:
    """Sums of losses on the device, read once a report: no step waits for a number."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._first_bad: Tensor | None = None

    def add(self, name: str, value: Tensor, step: int) -> None:
        """Add a value (a scalar on the device) and remember the first step that was not finite.

        A step's values of one name are shares of one: those of each identity, where each has an update of its own.
        """
        value = value.detach().double()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + (self._last.get(name) != step)
        self._last[name] = step
        bad = torch.where(torch.isfinite(value), NEVER, step)
        self._first_bad = bad if self._first_bad is None else torch.minimum(self._first_bad, bad)

    def report(self) -> tuple[dict[str, float], int | None]:
        """Means since the last report, over all ranks together, and the first non-finite step of any or None."""
        state = self.state()
        self._sums, self._first_bad = {}, None
        means = {name: total / self._counts[name] for name, (total, _) in state["losses"].items()}
        self._counts = {}
        return means, state["first_bad"]

    def state(self) -> dict[str, Any]:
        """Sum over all ranks and count of each loss since the last report, and the first non-finite step if any."""
        names = sorted(self._sums)
        if self._first_bad is None:
            return {"losses": {}, "first_bad": None}
        totals = sum_over_ranks(torch.stack([self._sums[n] for n in names])).tolist()
        # totals are the same on all ranks, so all of them ask or none
        first_bad = None if all(map(math.isfinite, totals)) else int(min_over_ranks(self._first_bad))
        losses = {name: (total, self._counts[name]) for name, total in zip(names, totals, strict=True)}
        return {"losses": losses, "first_bad": first_bad}

    def restore(self, state: Mapping[str, Any], share: bool) -> None:
        """Go on from a state; only the rank with the ``share`` holds the sums, as they are of all ranks."""
        for name, (total, count) in state["losses"].items():
            self._sums[name] = torch.tensor(total if share else 0.0, dtype=torch.float64)
            self._counts[name] = count
            self._first_bad = torch.tensor(NEVER if state["first_bad"] is None else state["first_bad"])


class SwapModule(pl.LightningModule):
    """Networks, loss terms and a plan; one call of `training_step` makes every update that is due.

    A batch is {"position": (parts * n,), "faces": {identity: {"input": uint8 (parts * n, 3, R, R), "target": ...}}}.
    Losses are shares of the global mean and gradients are summed over ranks, so any sharding gives the same step.
    ``accumulate``: every update takes its faces in so many parts and sums their gradients, for less memory and the same
    step; the generator's forward is then made for each update anew. UserError where a layer or a loss is of the whole
    batch.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module] | nn.ModuleDict,
        terms: Mapping[str, LossTerm],
        plan: Plan,
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
        self.updates = plan.updates(identities, tuple(networks.keys()))
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
                raise UserError(f"losses.{name} trains side {term.side!r}; choose {' or '.join(SIDES)}")
        for update in self.updates:
            if update.network not in self.networks:
                raise UserError(f"the plan steps a {update.network}, but there is none; choose another plan or network")
            if not self.terms_of(update):
                raise UserError(
                    f"no loss term trains the {update.side}; add one (such as adversarial=lsgan) or drop the network"
                )
        heads = getattr(self.networks[GENERATOR], "aux_heads", ())
        if heads and not any(isinstance(term, Auxiliary) for term in self.terms.values()):
            raise UserError(
                f"the generator's outputs {', '.join(heads)} would learn nothing; set auxiliary=faceswap_gan"
            )
        for action in self.actions.values():
            action.check(self.networks)
        idle = {t.side for t in self.terms.values()} - {u.side for u in self.updates}
        if idle:
            names = [name for name, term in self.terms.items() if term.side in idle]
            raise UserError(f"loss terms {', '.join(names)} would do nothing: there is no {idle.pop()} to train")
        self._check_accumulation()

    def _check_accumulation(self) -> None:
        """UserError where parts of a batch, one after the other, are not the batch."""
        parts = self.accumulate
        if not isinstance(parts, int) or isinstance(parts, bool) or parts < 1:
            raise UserError(f"accumulate={parts} cannot be; it counts parts of a batch, so give 1 or more")
        if parts == 1:
            return
        layers = [m for m in self.networks.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        unlike = [type(m).__name__ for m in (*layers, *tracking(self.networks).values())]
        unlike += ["mixup"] if self.settings.mixup else []
        if unlike:
            raise UserError(
                f"accumulate={parts} would be another step: {unlike[0]} depends on the faces that it sees together; "
                f"set accumulate=1, or norm=group and mixup=none"
            )

    @property
    def progress(self) -> float:
        """How much of the budget is spent, in [0, 1]."""
        return min(1.0, self.counters.images_seen / self.total_images)

    @property
    def images_per_step(self) -> int:
        """Faces that one step consumes over all ranks."""
        return self.settings.global_batch * len(self.identities) * self.parts

    def memories(self) -> dict[str, History]:
        """What loss terms remember from step to step, by term."""
        histories = {name: getattr(term, "history", None) for name, term in self.terms.items()}
        return {name: history for name, history in histories.items() if history is not None}

    def terms_of(self, update: Update) -> dict[str, LossTerm]:
        """The terms an update sums, by name."""
        return {name: term for name, term in self.terms.items() if term.side == update.side}

    def parameters_of(self, update: Update) -> list[nn.Parameter]:
        """The parameters an update moves."""
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
        """Add the gradient of ``l2 * sum(w ** 2)`` of regularised kernels, whatever decay the optimiser has besides."""
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
        """One optimiser an update, in the plan's order."""
        missing = {u.network for u in self.updates} - set(self.factories)
        if missing:
            raise UserError(f"optimizer.{missing.pop()} is missing; every stepped network needs an optimiser")
        optimizers = [self.factories[u.network](self.parameters_of(u)) for u in self.updates]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["base_lr"] = group["lr"]
        return optimizers

    def on_fit_start(self) -> None:
        """UserError if a rank has fewer faces than parts to make of them; the same on all ranks."""
        faces = self.settings.global_batch // world_size()
        if self.accumulate > faces:
            raise UserError(f"accumulate={self.accumulate} is more than the {faces} faces of a process; lower it")

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Make every action and then every update of the plan that is due, in order."""
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
                with part.update(update.network, update.identities), self._judges_frozen(update):
                    self.manual_backward(self._loss(update, part))
            sum_gradients(p for group in optimizer.param_groups for p in group["params"])
            self._penalise(update)
            spectral.advance(self.networks[update.network])
            optimizer.step()
            # also clears what a loss left in parameters that this update does not move
            self.networks.zero_grad(set_to_none=True)
            step.stepped(update.network)
            self.made[update.name] += 1
        before = self.counters.images_seen
        self.counters.steps += 1
        self.counters.images_seen += self.images_per_step
        if self.ema:  # also where the generator rests: its average is over images, not over its own steps
            self.ema.follow(self.networks[GENERATOR], self.images_per_step, before)

    def _act(self, optimizers: list[torch.optim.Optimizer]) -> None:
        """Make the one-off actions whose point has been reached, and note it."""
        made = Counter(entry["action"] for entry in self.done)
        trainee = Trainee(self.networks, self.ema.network if self.ema else None, optimizers)
        for name in due(self.actions, made, self.progress):
            self.actions[name](trainee)
            self.done.append({"action": name, "images_seen": self.counters.images_seen})

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def contexts(self, batch: dict[str, Any], learning: set[int]) -> list[StepContext]:
        """One context a part, with faces as floats in [0, 1]; ``learning``: parts that the generator learns from."""
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
    def _judges_frozen(self, update: Update) -> Iterator[None]:
        """Networks that only judge in this update get no gradient; the generator's shared graph must stay whole."""
        judges = [n for name, n in self.networks.items() if name not in (update.network, GENERATOR)]
        learning = [p for judge in judges for p in judge.parameters() if p.requires_grad]
        for parameter in learning:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in learning:
                parameter.requires_grad_(True)

    @contextmanager
    def _in_parts(self, name: str) -> Iterator[None]:
        """While a loss sees parts of the batch: UserError if it needs all of it."""
        with part_of_a_batch() if self.accumulate > 1 else nullcontext():
            try:
                yield
            except WholeBatchError:
                raise UserError(
                    f"losses.{name} is of the whole batch, so accumulate={self.accumulate} would change it; set "
                    f"accumulate=1 or choose another loss"
                ) from None

    def _loss(self, update: Update, step: StepContext) -> Tensor:
        total: Tensor | None = None
        for name, term in self.terms_of(update).items():
            weight = value_at(term.weight, step.progress)
            with torch.set_grad_enabled(weight != 0), self._in_parts(name):
                value = term(step)
            self.meter.add(f"loss/{term.side}/{name}", value, self.counters.steps)
            self.meter.add(f"loss/{term.side}/{name}_weighted", weight * value, self.counters.steps)
            if weight != 0:
                total = weight * value if total is None else total + weight * value
        if total is None:
            raise UserError(f"every loss of the {update.side} has weight 0 at progress {step.progress:.2f}")
        return total


def _within(name: str, prefixes: Collection[str]) -> bool:
    """Whether a dotted name lies under one of the dotted prefixes; "" is above all."""
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes if prefix) or "" in prefixes
