"""Update plans: what is stepped, in what order, how often, on which losses, on the same or a fresh batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from swaplab.errors import UserError
from swaplab.losses.context import DISCRIMINATOR, GENERATOR


@dataclass(frozen=True)
class Update:
    """One optimiser's step.

    name: names the optimiser and its counter. side: the loss terms that are summed. network: the network it steps.
    trains: the parameters it moves, by dotted prefixes inside the network ("" is all of it). identities: those the
    terms sum over, or None for all. part: updates of one part share batch and forward; another part has fresh faces.
    every: the update is made at each ``every``-th step.
    """

    name: str
    side: str
    network: str
    trains: tuple[str, ...] = ("",)
    identities: tuple[str, ...] | None = None
    part: int = 0
    every: int = 1


@runtime_checkable
class Plan(Protocol):
    """Anything that lists updates for the identities and networks of a run, in the order in which they are made."""

    def updates(self, identities: Sequence[str], networks: Sequence[str]) -> list[Update]: ...


@dataclass(frozen=True)
class Joint:
    """One optimiser for all generators and one for all discriminators, sharing one forward of the generator.

    The discriminator is stepped first, so the generator's graph is still valid when it is judged. ``generator_every``:
    generator steps happen at each such step only (WGAN's n_critic). ``fresh``: the discriminator sees other faces than
    the generator, at the price of a second forward.
    """

    generator_every: int = 1
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.generator_every < 1:
            raise UserError(f"plan.generator_every is {self.generator_every}; it counts steps, so give 1 or more")

    def updates(self, identities: Sequence[str], networks: Sequence[str]) -> list[Update]:
        generator = Update(GENERATOR, GENERATOR, GENERATOR, part=0, every=self.generator_every)
        if DISCRIMINATOR not in networks:
            return [generator]
        return [Update(DISCRIMINATOR, DISCRIMINATOR, DISCRIMINATOR, part=int(self.fresh)), generator]


def parts(updates: Sequence[Update]) -> int:
    """How many batches a step takes."""
    return max(u.part for u in updates) + 1
