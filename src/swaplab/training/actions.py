"""One-off actions at given progress, such as those between the sessions of faceswap-GAN's notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.names import GENERATOR
from swaplab.ranges import NotNegative, Positive
from swaplab.schedule import check_points


@dataclass(frozen=True)
class Trainee:
    """The objects that an action may change: networks, the averaged generator if there is one, and optimisers."""

    networks: nn.ModuleDict
    average: nn.Module | None
    optimizers: Sequence[torch.optim.Optimizer]


@runtime_checkable
class Action(Protocol):
    """Any callable with these members. Its name is its key in the config.

    ``points``: ascending progress in [0, 1]. For each point it is called once, before the first step at or after it.
    """

    @property
    def points(self) -> tuple[float, ...]: ...

    def check(self, networks: nn.ModuleDict) -> None:
        """Raise UserError if the action does not apply to these networks."""
        ...

    def __call__(self, trainee: Trainee) -> None: ...


@dataclass(frozen=True)
class _Timed:
    """An action at points ``at`` / ``of``. Raises UserError unless they ascend in [0, 1]."""

    at: Sequence[NotNegative]
    of: Positive = 1.0

    def __post_init__(self) -> None:
        check_points(self.points, "actions")

    @property
    def points(self) -> tuple[float, ...]:
        return tuple(point / self.of for point in self.at)


@dataclass(frozen=True)
class ResetMoments(_Timed):
    """Clears the state of all optimisers, as faceswap-GAN v2.2 did at every change of its schedule."""

    def check(self, networks: nn.ModuleDict) -> None:
        """Applies to all networks."""

    def __call__(self, trainee: Trainee) -> None:
        for optimizer in trainee.optimizers:
            optimizer.state.clear()


@dataclass(frozen=True)
class SwapDecoders(_Timed):
    """Gives every identity the decoder of the next one, with its moments and its average (faceswap-GAN v2.2: A and B
    are exchanged).

    Needs a generator with a ``ModuleDict`` ``decoders`` of at least two identities.
    """

    def check(self, networks: nn.ModuleDict) -> None:
        """Raise UserError if there are fewer than two decoders."""
        if len(_decoders(networks[GENERATOR])) < 2:
            raise UserError(
                f"actions: swapping decoders needs one decoder per identity and at least two, which "
                f"{type(networks[GENERATOR]).__name__} does not have here; choose another schedule"
            )

    def __call__(self, trainee: Trainee) -> None:
        trained = _rotate(_decoders(trainee.networks[GENERATOR]))
        if trainee.average is not None:
            _rotate(_decoders(trainee.average))
        holders = {id(p): o for o in trainee.optimizers for group in o.param_groups for p in group["params"]}
        for tensors in trained:
            if all(id(t) in holders for t in tensors):
                _rotate_moments(tensors, [holders[id(t)] for t in tensors])


def _decoders(generator: nn.Module) -> list[nn.Module]:
    decoders = getattr(generator, "decoders", None)
    return list(decoders.values()) if isinstance(decoders, nn.ModuleDict) else []


@torch.no_grad()
def _rotate(networks: list[nn.Module]) -> list[tuple[Tensor, ...]]:
    """Copy to each network the values of the next one; returns the corresponding tensors of all networks."""
    corresponding = list(zip(*(n.state_dict(keep_vars=True).values() for n in networks), strict=True))
    for tensors in corresponding:
        values = [t.clone() for t in tensors]
        for tensor, value in zip(tensors, values[1:] + values[:1], strict=True):
            tensor.copy_(value)
    return corresponding


def _rotate_moments(tensors: Sequence[Tensor], holders: Sequence[torch.optim.Optimizer]) -> None:
    states = [o.state.pop(t, None) for t, o in zip(tensors, holders, strict=True)]
    for tensor, optimizer, state in zip(tensors, holders, states[1:] + states[:1], strict=True):
        if state is not None:
            optimizer.state[tensor] = state


def due(actions: Mapping[str, Action], made: Mapping[str, int], progress: float) -> list[str]:
    """The names of the actions that are due, in the order of their points. ``made``: how often each was called."""
    pending = [
        (point, order, name)
        for order, (name, action) in enumerate(actions.items())
        for point in action.points[made.get(name, 0) :]
        if point <= progress
    ]
    return [name for _, _, name in sorted(pending)]
