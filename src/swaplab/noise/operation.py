"""What a noise operation is, and the base of those that are drawn once and applied to every picture."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.noise.generators import KeyedGenerators

Picture = NDArray[np.uint8]
Matrix = NDArray[np.float64]  # (3, 3), from original to moved pixel indices (x, y, 1)

# ``image``: the target, or the input if only that changes; ``input``: the input if it differs from the target already;
# ``mask``: the target's masks (H, W, k), if any. All have the same sides; pictures are RGB (H, W, 3).
Pictures = Mapping[str, Picture]

# "input": changes only the network's input (denoising); "both": input and target (augmentation)
Scope = Literal["input", "both"]

P = TypeVar("P")


@dataclass(frozen=True)
class Facts:
    """What an operation may know besides the pictures.

    ``region``: side of the face region in pixels. ``faces``: stored crops of all identities. ``identity``: the one
    shown. ``means``: the mean colour (3,) of each identity's stored crops in [0, 255]. ``input_place``,
    ``target_place``: movements that were drawn and are not applied yet; only a warp gets them.
    """

    region: int
    faces: Sequence[Picture] = ()
    identity: str = ""
    means: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    input_place: Matrix | None = None
    target_place: Matrix | None = None


class Operation(Protocol):
    """Any callable with a ``scope``. All its random numbers are from ``draws``."""

    @property
    def scope(self) -> Scope: ...

    def __call__(self, pictures: Pictures, draws: KeyedGenerators, facts: Facts) -> Pictures:
        """The same pictures, changed alike. What was given is not written to."""
        ...


class RandomOperation(ABC, Generic[P]):
    """An operation that happens with probability ``p``: its parameters are drawn once and applied to every picture."""

    def __init__(self, scope: Scope, p: float) -> None:
        self.scope, self.p = checked_scope(scope), checked_probability(p)

    def happens(self, draws: KeyedGenerators) -> bool:
        """Draw whether it happens; certain cases draw nothing."""
        return self.p >= 1 or (self.p > 0 and draws.python.random() < self.p)

    @abstractmethod
    def drawn(self, draw: np.random.Generator, image: Picture, facts: Facts) -> P:
        """The parameters for pictures like ``image``."""

    @abstractmethod
    def apply(self, picture: Picture, parameters: P) -> Picture:
        """The changed picture."""

    def apply_to_mask(self, mask: Picture, parameters: P) -> Picture:
        """The changed masks (H, W, k)."""
        return mask

    def applied(self, name: str, picture: Picture, parameters: P) -> Picture:
        """The changed picture of that name."""
        return self.apply_to_mask(picture, parameters) if name == "mask" else self.apply(picture, parameters)

    def __call__(self, pictures: Pictures, draws: KeyedGenerators, facts: Facts) -> Pictures:
        """The changed pictures, or the given ones if it does not happen."""
        if not self.happens(draws):
            return pictures
        parameters = self.drawn(draws.numpy, pictures["image"], facts)
        # OpenCV wants contiguous memory
        return {name: self.applied(name, np.ascontiguousarray(p), parameters) for name, p in pictures.items()}


def checked_scope(scope: str) -> Scope:
    """The scope. Raises UserError if it is unknown."""
    if scope not in ("input", "both"):
        raise UserError(f"scope of a noise operation must be input or both; got '{scope}'")
    return scope  # type: ignore[return-value]


def checked_probability(p: float) -> float:
    """The probability. Raises UserError outside [0, 1]."""
    if not 0 <= p <= 1:
        raise UserError(f"probability p of a noise operation must be in [0, 1]; got {p}")
    return p


def checked_range(name: str, ends: Iterable[float]) -> tuple[float, float]:
    """(low, high) with 0 <= low <= high. Raises UserError otherwise."""
    values = tuple(float(end) for end in ends)
    if len(values) != 2 or not 0 <= values[0] <= values[1]:
        raise UserError(
            f"{name} of a noise operation must be a range [low, high] with 0 <= low <= high; got {list(values)}"
        )
    return values[0], values[1]
