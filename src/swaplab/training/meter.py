"""The position of a run, and the means of its losses between two reports."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swaplab.collectives import min_over_ranks, sum_over_ranks

NEVER = torch.iinfo(torch.int64).max  # a step that no run reaches


@dataclass
class Counters:
    """Position of a run. ``images_seen`` counts the faces of all identities, all batches of a step and all ranks."""

    steps: int = 0
    images_seen: int = 0


class LossMeter:
    """Sums of losses on the device, read once per report, so that no step waits for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._first_bad: Tensor | None = None

    def add(self, name: str, value: Tensor, step: int) -> None:
        """Add a value (a scalar on the device) and remember the first step with a non-finite one.

        Values of one name in one step are summed: each identity may have its own update.
        """
        value = value.detach().double()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + (self._last.get(name) != step)
        self._last[name] = step
        bad = torch.where(torch.isfinite(value), NEVER, step)
        self._first_bad = bad if self._first_bad is None else torch.minimum(self._first_bad, bad)

    def report(self) -> tuple[dict[str, float], int | None]:
        """Means per step since the last report, over all ranks, and the first non-finite step on any rank or None."""
        state = self.state()
        self._sums, self._first_bad = {}, None
        means = {name: total / self._counts[name] for name, (total, _) in state["losses"].items()}
        self._counts = {}
        return means, state["first_bad"]

    def state(self) -> dict[str, Any]:
        """Sum over all ranks and number of steps of each loss since the last report; the first non-finite step."""
        names = sorted(self._sums)
        if self._first_bad is None:
            return {"losses": {}, "first_bad": None}
        totals = sum_over_ranks(torch.stack([self._sums[n] for n in names])).tolist()
        # totals are equal on all ranks, so either all ranks make this call or none
        first_bad = None if all(map(math.isfinite, totals)) else int(min_over_ranks(self._first_bad))
        losses = {name: (total, self._counts[name]) for name, total in zip(names, totals, strict=True)}
        return {"losses": losses, "first_bad": first_bad}

    def restore(self, state: Mapping[str, Any], share: bool) -> None:
        """Restore a state. The sums are over all ranks, so only the rank with ``share`` holds them."""
        for name, (total, count) in state["losses"].items():
            self._sums[name] = torch.tensor(total if share else 0.0, dtype=torch.float64)
            self._counts[name] = count
            self._first_bad = torch.tensor(NEVER if state["first_bad"] is None else state["first_bad"])
