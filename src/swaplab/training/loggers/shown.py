"""What every logger is told about a run, and what a logger has to do with it."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.runs.offline import identity_of
from swaplab.runs.record import RunRecord

NAME = 128  # characters, the limit of W&B


@dataclass(frozen=True)
class Shown:
    """A run as a dashboard lists it, or the measurement of its weights on a split of the data.

    ``evaluation``: weights and split, such as ("final", "test"); None for the training itself. ``resumed_at``:
    ``images_seen`` of the last row of earlier sessions, -1 if there is none.
    """

    record: RunRecord
    config: Mapping[str, Any]
    evaluation: tuple[str, str] | None = None
    resumed_at: float = -1

    @property
    def labels(self) -> Mapping[str, Any]:
        """The ``labels`` of the config."""
        labels: Mapping[str, Any] = self.config["labels"]
        return labels

    @property
    def name(self) -> str:
        """The name in lists and legends: ``labels.name``, or the levels of the factors and the run's ID."""
        levels = (f"{name}={level}" for name, level in self.config.get("factors", {}).items())
        return str(self.labels["name"] or " ".join([*levels, self.record.folder.name]))[:NAME]

    @property
    def group(self) -> str:
        """The group to compare the run in: ``labels.group``, or the ablation or experiment."""
        return str(self.labels["group"] or self.config["name"])

    @property
    def job_type(self) -> str:
        """What the run is for: train, ablation, evaluate."""
        return "evaluate" if self.evaluation else str(self.labels["job_type"])

    @property
    def identity(self) -> str:
        """The same for all sessions of a run, and of no other run."""
        return identity_of(self.record)

    @property
    def varied(self) -> dict[str, Any]:
        """The level of each factor, and the seed."""
        return {**self.config.get("factors", {}), "seed": self.config["seed"]}

    @property
    def tags(self) -> list[str]:
        """``labels.tags``, and ``factor=level`` of everything that varies."""
        return list(dict.fromkeys([*self.labels["tags"], *(f"{name}={level}" for name, level in self.varied.items())]))

    @property
    def code(self) -> dict[str, str]:
        """The commit, if there is one, and the digest of the code, as far as the record knows them."""
        git, codes = self.record.facts.get("git") or {}, self.record.codes
        return ({"commit": git["commit"]} if git else {}) | ({"code": codes[-1]} if codes else {})


class View(ABC):
    """Shows the record of a run elsewhere. It runs on a thread of its own (`swaplab.training.loggers.feed`), and may
    raise or hang in any method: the run goes on without it.
    """

    title: str  # in sentences

    @abstractmethod
    def begin(self, run: Shown) -> float | None:
        """Start, or continue what an earlier session began.

        Returns the ``images_seen`` of the newest row that is there, -1 if there is none; None if this logger shows
        nothing of the run.
        """

    @abstractmethod
    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """Add the values at ``values["images_seen"]``, and pictures by name."""

    @abstractmethod
    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Add the final values, and close with a status of the run record."""

    def abandon(self) -> None:  # noqa: B027
        """Let go of what could delay the end of this process."""

    def advice(self, run: Shown) -> str:
        """What follows from a failure, after "the run's record is complete without it"."""
        return ""


def check_package(package: str, option: str) -> None:
    """Raise UserError unless the package that a logger needs is installed; the extra has the name of its option."""
    if importlib.util.find_spec(package) is None:
        raise UserError(f"logger={option} needs the package {package}; run pip install 'swaplab[{option}]'")


def without_axis(values: Mapping[str, float]) -> dict[str, float]:
    """The values without ``images_seen``, for loggers that take it as the step."""
    return {name: value for name, value in values.items() if name != "images_seen"}


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The dotted keys of a config with their values; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) and value else {f"{above}{key}": value}
    return found


def once(summary: Mapping[str, Any], status: str) -> dict[str, float]:
    """The values of a summary that no row has: the best ones and the cost; none of a run that goes on later.

    For services whose metrics keep every value: a value that is logged once is drawn as a bar, not as a curve.
    """
    if status == "interrupted":
        return {}
    return {name: value for name, value in summary.items() if name.startswith(("best/", "cost/"))}
