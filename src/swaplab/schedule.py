"""Numbers that change during training, as pure functions of progress in [0, 1]."""

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
    """``factor`` at every progress."""

    factor: NotNegative = 1.0

    def __call__(self, progress: float) -> float:
        return self.factor


@dataclass(frozen=True)
class Cosine:
    """From 1 to ``end`` along half a cosine (Loshchilov & Hutter 2017, equation 5), after a linear ``warmup``.

    ``warmup`` is the share of progress spent rising from 0 to 1.
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
    """1 up to progress ``start``, from there straight down to ``end`` (CycleGAN, Zhu et al. 2017, section 4: start 0.5,
    end 0)."""

    start: Annotated[float, Field(ge=0, lt=1)] = 0.5
    end: NotNegative = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise UserError(f"schedule.start={self.start} leaves nothing to decay in; give a share below 1")

    def __call__(self, progress: float) -> float:
        along = min(max(progress - self.start, 0.0) / (1 - self.start), 1.0)
        return 1 + along * (self.end - 1)


def check_points(points: Sequence[float], where: str) -> None:
    """UserError unless points of progress ascend within [0, 1]."""
    ascending = all(a < b for a, b in pairwise(points))
    if not points or not ascending or points[0] < 0 or points[-1] > 1:
        raise UserError(f"{where}: points {list(points)} are no ascending shares of the budget in [0, 1]; correct them")


@dataclass(frozen=True)
class Steps:
    """Piecewise constant: ``values[i]`` from progress ``at[i] / of`` on. Raises UserError unless ``at`` starts at 0,
    ascends, and has as many numbers as ``values``.

    With ``of`` points can be written in the steps of the source; the budget of a run may be another.
    """

    at: Sequence[NotNegative]
    values: Sequence[NotNegative]
    of: Positive = 1.0

    def __post_init__(self) -> None:
        check_points(self._points, "schedule")
        if self.at[0] != 0 or len(self.at) != len(self.values):
            raise UserError("schedule: steps begin at 0 and have one value for each point; correct at or values")

    @property
    def _points(self) -> list[float]:
        return [point / self.of for point in self.at]

    def __call__(self, progress: float) -> float:
        return float(self.values[bisect_right(self._points, progress) - 1])
