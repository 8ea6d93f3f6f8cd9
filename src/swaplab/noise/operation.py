"""What the noise pipeline expects of an operation, and how a library transform becomes one."""

import random
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import albumentations
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError

Picture = NDArray[np.uint8]

# "input": only what the network sees is changed (denoising); "both": its target too (augmentation).
Scope = Literal["input", "both"]


class Operation(Protocol):
    """An albumentations transform with a ``scope``.

    It is called with ``image`` (the target, or the input where only that is changed), ``input`` where input
    and target already differ, ``mask`` where masks are asked for, and facts that a transform may use:
    ``region``, the side of the face region in pixels; ``faces``, a sequence of stored crops of all identities;
    ``identity``, who is shown; ``means``, the mean colour (3,) of each identity's stored crops, 0 to 255.
    """

    scope: Scope

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None: ...

    def add_targets(self, additional_targets: dict[str, str]) -> None: ...

    def __call__(self, **data: Any) -> dict[str, Any]: ...


class Scoped:
    """A transform of albumentations, or a composition of some, with a scope: an operation like any other.

    Raises UserError for an argument that the transform does not know; the library itself would only warn.
    """

    def __init__(self, transform: albumentations.BasicTransform | albumentations.BaseCompose, scope: Scope) -> None:
        self.transform, self.scope = transform, checked_scope(scope)
        unknown = unknown_arguments(transform)
        if unknown:
            raise UserError(f"noise transform {type(transform).__name__} has no option {unknown[0]}; correct its name")

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        self.transform.set_random_state(random_generator, py_random)

    def add_targets(self, additional_targets: dict[str, str]) -> None:
        self.transform.add_targets(additional_targets)

    def __call__(self, **data: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.transform(**data)
        return result


def unknown_arguments(transform: Any) -> list[str]:
    """Arguments that the transform, or one it is composed of, was given and ignored."""
    inner = [name for part in getattr(transform, "transforms", ()) for name in unknown_arguments(part)]
    return [*getattr(transform, "invalid_args", ()), *inner]


def checked_scope(scope: str) -> Scope:
    """The scope; UserError if there is no such scope."""
    if scope not in ("input", "both"):
        raise UserError(f"noise scope '{scope}' is not known; choose input or both")
    return scope  # type: ignore[return-value]


def checked_probability(p: float) -> float:
    """The probability; UserError outside [0, 1]."""
    if not 0 <= p <= 1:
        raise UserError(f"noise probability p={p} is outside [0, 1]; choose a number in it")
    return p


def checked_range(name: str, ends: Iterable[float]) -> tuple[float, float]:
    """(low, high) with 0 <= low <= high; UserError otherwise."""
    values = tuple(float(end) for end in ends)
    if len(values) != 2 or not 0 <= values[0] <= values[1]:
        raise UserError(
            f"noise setting {name}={list(values)} is no range; give two numbers [low, high], 0 <= low <= high"
        )
    return values[0], values[1]
