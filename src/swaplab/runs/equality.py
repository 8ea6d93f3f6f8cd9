"""Whether two trainings gave the same numbers, bit for bit, and where they first did not."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Step = Mapping[str, float]  # values of one step by name


def first_difference(old: Sequence[Step], new: Sequence[Step], first: int = 1) -> str | None:
    """The first value that differs, by step and then by name; None if all are equal.

    ``first``: number of the first step in both.
    """
    for number, (before, now) in enumerate(zip(old, new, strict=False), first):
        for name in sorted(before.keys() | now.keys()):
            if repr(before.get(name)) != repr(now.get(name)):
                return f"{name} at step {number} {_change(before.get(name), now.get(name))}"
    if len(old) != len(new):
        return f"{len(old)} steps were reported, now {len(new)}"
    return None


def _change(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return f"is new ({now!r})" if before is None else f"was {before!r}, now is missing"
    text = f"was {before!r}, now is {now!r}"
    largest = max(abs(before), abs(now))
    if largest == 0 or not math.isfinite(before - now):
        return text
    return f"{text} (relative difference {abs(before - now) / largest:.1e})"


def renamed(old: Sequence[Step], new: Sequence[Step]) -> dict[str, str]:
    """Names that only ``old`` has, each with the name that only ``new`` has and whose values are equal in all steps."""
    before, now = _series(old), _series(new)
    added = sorted(now.keys() - before.keys())
    found = {}
    for name in sorted(before.keys() - now.keys()):
        match = next((other for other in added if now[other] == before[name]), None)
        if match is not None:
            added.remove(match)
            found[name] = match
    return found


def _series(steps: Sequence[Step]) -> dict[str, list[str]]:
    """The values of all steps by name, as exact text."""
    return {name: [repr(step.get(name)) for step in steps] for name in {name for step in steps for name in step}}


def first_unlike(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> str | None:
    """The first weight, by name, that differs in any bit; None if all are equal."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new or name not in old:
            return f"the weight {name} {'is missing now' if name not in new else 'is new'}"
        before, now = old[name], new[name]
        if before.shape != now.shape or before.dtype != now.dtype:
            return f"the weight {name} was {_form(before)}, now is {_form(now)}"
        if not torch.equal(_bits(before), _bits(now)):
            return f"the weight {name} differs by up to {(before.double() - now.double()).abs().max().item():.1e}"
    return None


def _bits(weight: Tensor) -> Tensor:
    return weight.contiguous().reshape(-1).view(torch.uint8)


def _form(weight: Tensor) -> str:
    return f"{str(weight.dtype).removeprefix('torch.')} {tuple(weight.shape)}"
