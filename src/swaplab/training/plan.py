"""Update plans: what is stepped, in what order, how often, on which losses, on the same or a fresh batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from swaplab.errors import UserError
from swaplab.losses.context import DISCRIMINATOR, GENERATOR
from swaplab.ranges import Count


@dataclass(frozen=True)
class Update:
    """One optimiser's step.

    name: names the optimiser and its counter. side: the loss terms that are summed. network: the network it steps.
    trains: the parameters it moves, by dotted prefixes inside the network ("" is all of it). identities: those the
    terms sum over, or None for all. own: of parts that a network keeps for each identity (a ModuleDict by name), it
    moves those of ``identities`` only. part: updates of one part share batch and forward; another part has fresh faces.
    every: the update is made at each ``every``-th step.
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
    """One optimiser for each discriminator and each generator of an identity (faceswap-GAN v2.2, section "training").

    In a step every discriminator moves, then, on ``fresh`` faces, the generator of the first identity, the generator
    of the second, and so on: parts that the generators share, such as the encoder, move once for each identity, on its
    losses, and have moments in each of the optimisers. ``generator_every``: see `Joint`.
    """

    generator_every: Count = 1
    fresh: bool = True

    def __post_init__(self) -> None:
        _check_every(self.generator_every)

    def updates(self, identities: Sequence[str], networks: Sequence[str]) -> list[Update]:
        judged = DISCRIMINATOR in networks
        every, part = self.generator_every, int(self.fresh and judged)
        judges = [
            Update(f"{DISCRIMINATOR}_{name}", DISCRIMINATOR, DISCRIMINATOR, identities=(name,), own=True)
            for name in identities
        ]
        generators = [
            Update(f"{GENERATOR}_{name}", GENERATOR, GENERATOR, identities=(name,), own=True, part=part, every=every)
            for name in identities
        ]
        return [*(judges if judged else []), *generators]


def _check_every(generator_every: int) -> None:
    if generator_every < 1:
        raise UserError(f"plan.generator_every is {generator_every}; it counts steps, so give 1 or more")


def parts(updates: Sequence[Update]) -> int:
    """How many batches a step takes."""
    return max(u.part for u in updates) + 1
