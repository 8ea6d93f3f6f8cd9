"""Numbers that change during training, as pure functions of progress in [0, 1]."""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]


def value_at(value: "float | Schedule", progress: float) -> float:
    """The value of a number or schedule at ``progress``."""
    return value(progress) if callable(value) else float(value)


@dataclass(frozen=True)
class Constant:
    """``factor`` at every progress."""

    factor: float = 1.0

    def __call__(self, progress: float) -> float:
        return self.factor


@dataclass(frozen=True)
class Cosine:
    """From 1 to ``end`` along half a cosine (Loshchilov & Hutter 2017, equation 5), after a linear ``warmup``.

    ``warmup`` is the share of progress spent rising from 0 to 1.
    """

    end: float = 0.0
    warmup: float = 0.0

    def __call__(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        along = (progress - self.warmup) / max(1 - self.warmup, 1e-12)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * min(along, 1.0))) / 2
