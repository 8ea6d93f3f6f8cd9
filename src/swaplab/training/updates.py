"""Update orders: what is updated, in what order, how often, by which losses, on the same or a new batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from swaplab.errors import UserError
from swaplab.networks.names import DISCRIMINATOR, GENERATOR
from swaplab.ranges import Count


@dataclass(frozen=True)
class Update:
    """One optimiser step.

    ``name``: name of the optimiser and its counter. ``side``: side of the loss terms to sum. ``network``: the network
    to update. ``trains``: prefixes of the parameters to update ("" for all). ``identities``: identities that the terms
    sum over; None for all. ``own``: of modules that a network has per identity (a ModuleDict by name), update only
    those of ``identities``. ``part``: updates with equal ``part`` share batch and forward pass.
    ``every``: update at every ``every``-th step.
    """

    name: str
    side: str
    network: str
    trains: tuple[str, ...] = ("",)
    identities: tuple[str, ...] | None = None
    own: bool = False
    part: int = 0
    every: int = 1


@runtime_checkable
class UpdateOrder(Protocol):
    """Any object that lists the updates for the identities and networks of a run, in order."""

    def updates(self, identities: Sequence[str], networks: Sequence[str]) -> list[Update]: ...


@dataclass(frozen=True)
class Joint:
    """One optimiser for the generator and one for the discriminator, which share one forward pass of the generator.

    The discriminator is updated first, so that the generator's graph is still valid. ``generator_every``: update the
    generator at every n-th step only (WGAN's n_critic). ``fresh``: the discriminator gets a batch of its own, which
    needs a second forward pass.
    """

    generator_every: Count = 1
    fresh: bool = False

    def __post_init__(self) -> None:
        _check_every(self.generator_every)

    def updates(self, identities: Sequence[str], networks: Sequence[str]) -> list[Update]:
        generator = Update(GENERATOR, GENERATOR, GENERATOR, part=0, every=self.generator_every)
        if DISCRIMINATOR not in networks:
            return [generator]
        return [Update(DISCRIMINATOR, DISCRIMINATOR, DISCRIMINATOR, part=int(self.fresh)), generator]


@dataclass(frozen=True)
class FourAdams:
    """One optimiser per identity for its discriminator and one for its generator (faceswap-GAN v2.2, section
    "training").

    A step updates every discriminator, then the generator of each identity in turn, on a new batch if ``fresh``.
    Modules that identities share, such as the encoder, are updated once per identity by its losses and have moments in
    each optimiser. ``generator_every``: see `Joint`.
    """

    generator_every: Count = 1
    fresh: bool = True

    def __post_init__(self) -> None:
        _check_every(self.generator_every)

    def updates(self, identities: Sequence[str], networks: Sequence[str]) -> list[Update]:
        adversarial = DISCRIMINATOR in networks
        every, part = self.generator_every, int(self.fresh and adversarial)
        discriminators = [
            Update(f"{DISCRIMINATOR}_{name}", DISCRIMINATOR, DISCRIMINATOR, identities=(name,), own=True)
            for name in identities
        ]
        generators = [
            Update(f"{GENERATOR}_{name}", GENERATOR, GENERATOR, identities=(name,), own=True, part=part, every=every)
            for name in identities
        ]
        return [*(discriminators if adversarial else []), *generators]


def _check_every(generator_every: int) -> None:
    if generator_every < 1:
        raise UserError(f"updates.generator_every={generator_every} must be a whole number of at least 1")


def parts(updates: Sequence[Update]) -> int:
    """Number of batches per step."""
    return max(u.part for u in updates) + 1
