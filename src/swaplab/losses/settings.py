"""What is constant over all steps of a run."""

from dataclasses import dataclass, field

from swaplab.losses.mixup import Mixup
from swaplab.networks.composition import Composition


@dataclass(frozen=True)
class StepSettings:
    """Settings that are constant over all steps of a run.

    ``global_batch``: faces per identity in the batch of all ranks together, the divisor of every mean.
    ``joint``: encode all identities in one pass (needs a shared encoder).
    ``tracked``: the forward passes that update running statistics: encode (encoder inputs), reconstruction or swap (the
    decoder outputs that are trained; only one of the two, so that the last update is well defined), judgement (a
    discriminator's training inputs). Each updates them once, for the faces of the current update, in the order of the
    identities; all others normalise by the batch without updating. So running statistics depend on neither other terms
    nor their order.
    ``seed``: for random numbers inside a step. ``masks``: names of the batch's masks, in order. ``mixup``: of the
    autoencoder's faces or codes. ``composition``: how the generator's output becomes a picture.
    """

    global_batch: int
    joint: bool = True
    tracked: frozenset[str] = frozenset({"encode", "reconstruction", "judgement"})
    seed: int = 0
    masks: tuple[str, ...] = ()
    mixup: Mixup | None = None
    composition: Composition = field(default_factory=Composition)
