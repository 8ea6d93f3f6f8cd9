"""The interface of a noise operation, and the wrapper that makes a library transform one."""

import random
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import albumentations
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError

Picture = NDArray[np.uint8]

# "input": changes only the network's input (denoising); "both": input and target (augmentation)
Scope = Literal["input", "both"]


class Operation(Protocol):
    """An albumentations transform with a ``scope``.

    It is called with ``image`` (the target, or the input if only that changes), ``input`` if input and target already
    differ, ``mask`` if masks are requested, and further facts: ``region``, the side of the face region in pixels;
    ``faces``, a sequence of stored crops of all identities; ``identity``, the identity shown; ``means``, the mean
    colour (3,) of each identity's stored crops in [0, 255].
    """

    scope: Scope

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None: ...

    def add_targets(self, additional_targets: dict[str, str]) -> None: ...

    def __call__(self, **data: Any) -> dict[str, Any]: ...


class Scoped:
    """An albumentations transform, or a composition of several, as an operation with a scope.

    Raises UserError for an argument unknown to the transform; the library itself would only warn.
    """

    def __init__(self, transform: albumentations.BasicTransform | albumentations.BaseCompose, scope: Scope) -> None:
        self.transform, self.scope = transform, checked_scope(scope)
        unknown = unknown_arguments(transform)
        if unknown:
            raise UserError(f"noise transform {type(transform).__name__} has no option {unknown[0]}; check its name")

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        self.transform.set_random_state(random_generator, py_random)

    def add_targets(self, additional_targets: dict[str, str]) -> None:
        self.transform.add_targets(additional_targets)

    def __call__(self, **data: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.transform(**data)
        return result


def unknown_arguments(transform: Any) -> list[str]:
    """Arguments that the transform, or one inside it, was given and ignored."""
    inner = [name for part in getattr(transform, "transforms", ()) for name in unknown_arguments(part)]
    return [*getattr(transform, "invalid_args", ()), *inner]


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
