"""Schedules of learning rates and loss weights: pure functions of progress in [0, 1]."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from swaplab.errors import UserError
from swaplab.ranges import NotNegative, Positive, Share

Schedule = Callable[[float], float]
Weight = NotNegative | Schedule


def value_at(value: "float | Schedule", progress: float) -> float:
    """The value of a number or schedule at ``progress``."""
    return value(progress) if callable(value) else float(value)


@dataclass(frozen=True)
class Constant:
    """Always ``factor``."""

    factor: NotNegative = 1.0

    def __call__(self, progress: float) -> float:
        return self.factor


@dataclass(frozen=True)
class Cosine:
    """Cosine decay from 1 to ``end`` (Loshchilov & Hutter 2017, equation 5) after a linear warm-up from 0 to 1.

    ``warmup``: share of the budget for the warm-up.
    """

    end: NotNegative = 0.0
    warmup: Share = 0.0

    def __call__(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        along = (progress - self.warmup) / max(1 - self.warmup, 1e-12)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * min(along, 1.0))) / 2


@dataclass(frozen=True)
class Linear:
    """1 until progress ``start``, then linear decay to ``end`` (CycleGAN, Zhu et al. 2017, section 4: start 0.5, end
    0)."""

    start: Annotated[float, Field(ge=0, lt=1)] = 0.5
    end: NotNegative = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise UserError(f"schedule.start={self.start} must be at least 0 and below 1")

    def __call__(self, progress: float) -> float:
        along = min(max(progress - self.start, 0.0) / (1 - self.start), 1.0)
        return 1 + along * (self.end - 1)


def check_points(points: Sequence[float], where: str) -> None:
    """Raise UserError unless the points are ascending numbers in [0, 1]."""
    ascending = all(a < b for a, b in pairwise(points))
    if not points or not ascending or points[0] < 0 or points[-1] > 1:
        raise UserError(f"{where}: points {list(points)} must be ascending shares of the budget in [0, 1]")


@dataclass(frozen=True)
class Steps:
    """Piecewise constant: ``values[i]`` from progress ``at[i] / of`` on.

    ``of`` is the length of the original schedule, so that ``at`` can be given in its steps. Raises UserError unless
    ``at`` starts at 0, ascends and is as long as ``values``.
    """

    at: Sequence[NotNegative]
    values: Sequence[NotNegative]
    of: Positive = 1.0

    def __post_init__(self) -> None:
        check_points(self._points, "schedule")
        if self.at[0] != 0 or len(self.at) != len(self.values):
            raise UserError("schedule: at must start at 0 and be as long as values; correct at or values")

    @property
    def _points(self) -> list[float]:
        return [point / self.of for point in self.at]

    def __call__(self, progress: float) -> float:
        return float(self.values[bisect_right(self._points, progress) - 1])
