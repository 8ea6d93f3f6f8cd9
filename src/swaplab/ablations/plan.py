"""Ablation plans: the statement to test, the factor that varies, and the rule of the verdict.

A plan is stored before the first run, so that neither metric nor margin can be chosen after seeing the numbers.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swaplab.catalogue import OF_A_RUN
from swaplab.errors import UserError
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.evaluations import SPLITS
from swaplab.runs.record import now

FILE = "plan.json"
DIRECTIONS = ("higher", "lower", "equal", "different")


@dataclass(frozen=True)
class Contrast:
    """The comparison of the verdict: ``level`` against the reference; None: every other level.

    ``direction``: the hypothesis about the level's metric, one of `DIRECTIONS`.
    """

    level: str | None
    direction: str


@dataclass(frozen=True)
class Plan:
    """One factor with its levels (tuples of overrides), the seeds, and the rule of the verdict.

    ``base``: overrides of every run. ``changes``: dotted config keys below which levels may differ. ``metric``: primary
    metric; ``guards``: metrics to report beside it. ``split``: split to evaluate after training; None if metrics of
    training are enough. ``margin``: largest difference that counts as equal, in units of the metric.
    """

    id: str
    claim: str
    hypothesis: str
    base: tuple[str, ...]
    factor: str
    levels: dict[str, tuple[str, ...]]
    reference: str
    changes: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: str
    guards: tuple[str, ...]
    split: str | None
    contrast: Contrast
    margin: float | None

    @classmethod
    def parse(cls, id: str, node: Mapping[str, Any]) -> "Plan":
        """Read a file of conf/ablation. Raises UserError for missing, unknown or contradictory fields."""
        read = _Reader(f"ablation {id}", node)
        contrast = node.get("contrast")
        plan = cls(
            id=id,
            claim=read.text("claim"),
            hypothesis=read.text("hypothesis"),
            base=read.texts("base"),
            factor=read.text("factor"),
            levels=read.levels(),
            reference=read.text("reference"),
            changes=read.texts("changes"),
            seeds=read.seeds(),
            metric=read.text("metric"),
            guards=read.texts("guards"),
            split=node.get("split"),
            contrast=Contrast(None, read.text("direction")) if contrast is None else read.contrast(contrast),
            margin=read.margin(),
        )
        plan._check()
        return plan

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data in the form of a conf/ablation file, which `parse` reads."""
        node = json.loads(json.dumps(asdict(self)))
        del node["id"]
        if self.contrast.level is None:
            node |= {"contrast": None, "direction": self.contrast.direction}
        return dict(node)

    @property
    def digest(self) -> str:
        """Hash of the plan, 16 hex digits."""
        text = json.dumps([self.id, self.as_json()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def comparisons(self) -> tuple[str, ...]:
        """The levels that the verdict compares with the reference."""
        if self.contrast.level is not None:
            return (self.contrast.level,)
        return tuple(level for level in self.levels if level != self.reference)

    def _check(self) -> None:
        where, names = f"ablation {self.id}", ", ".join(self.levels)
        if len(self.levels) < 2:
            raise UserError(f"{where} has {len(self.levels)} level(s); add levels until there are at least two")
        for what, level in (("reference", self.reference), ("contrast.level", self.contrast.level)):
            if level is not None and level not in self.levels:
                raise UserError(f"{where}: {what} {level!r} is not a level; choose from {names}")
        if self.contrast.level == self.reference:
            raise UserError(f"{where}: contrast.level must be another level than the reference; choose from {names}")
        if self.contrast.direction not in DIRECTIONS:
            raise UserError(f"{where}: direction {self.contrast.direction!r} must be {_or(DIRECTIONS)}")
        if (self.contrast.direction == "equal") != (self.margin is not None):
            need = "needs a margin; set" if self.margin is None else "does not use a margin; remove"
            raise UserError(f"{where}: direction {self.contrast.direction} {need} ablation.margin")
        if self.split not in (None, *SPLITS):
            raise UserError(f"{where}: split {self.split!r} must be {_or(SPLITS)}, or null for none")
        measured = [name for name in (self.metric, *self.guards) if not name.startswith(OF_A_RUN)]
        if measured and self.split is None:
            raise UserError(f"{where}: {measured[0]} is measured after training; set split to {_or(SPLITS)}")
        if self.metric in self.guards or len(set(self.guards)) < len(self.guards):
            raise UserError(f"{where}: a metric is named twice; name it once, as metric or in guards")
        if not self.changes:
            raise UserError(f"{where}: changes is empty; list the config keys in which levels differ")


@dataclass(frozen=True)
class Cell:
    """One level with one seed, and the ID of its run."""

    level: str
    seed: int
    run_id: str


class _Reader:
    """Reads and validates the fields of a plan."""

    def __init__(self, where: str, node: Mapping[str, Any]) -> None:
        self.where, self.node = where, node
        required = {name for name in Plan.__dataclass_fields__ if name not in ("id", "margin", "split", "contrast")}
        known = {*required, "margin", "split", "contrast", "direction"}
        for name in node:
            if name not in known:
                raise UserError(f"{where} has an unknown field {name!r}; choose from {', '.join(sorted(known))}")
        missing = sorted(required - set(node))
        if missing:
            raise UserError(f"{where} lacks {', '.join(missing)}; a plan needs all fields before the first run")
        if node.get("contrast") is not None and node.get("direction") is not None:
            raise UserError(f"{where} has both contrast and direction; remove direction, as contrast has its own")

    def text(self, name: str) -> str:
        return self._text(self.node.get(name), name)

    def _text(self, value: Any, name: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"{self.where}: {name}={value!r} must be a non-empty string")
        return " ".join(value.split())

    def texts(self, name: str) -> tuple[str, ...]:
        return self._texts(self.node[name], name)

    def _texts(self, values: Any, name: str) -> tuple[str, ...]:
        if not isinstance(values, Sequence) or isinstance(values, str) or not all(isinstance(v, str) for v in values):
            raise UserError(f"{self.where}: {name}={values!r} must be a list of strings, as in [norm=group]")
        return tuple(values)

    def levels(self) -> dict[str, tuple[str, ...]]:
        levels = self.node["levels"]
        if not isinstance(levels, Mapping):
            raise UserError(f"{self.where}: levels={levels!r} must be a mapping of NAME: [overrides]")
        for name in levels:
            if isinstance(name, bool) or name is None:
                raise UserError(f"{self.where}: YAML reads a level's name as {name!r} and not as a string; quote it")
        return {str(name): self._texts(value, f"levels.{name}") for name, value in levels.items()}

    def seeds(self) -> tuple[int, ...]:
        seeds = self.node["seeds"]
        whole = isinstance(seeds, Sequence) and all(type(seed) is int and seed >= 0 for seed in seeds)
        if not whole or not seeds or len(set(seeds)) < len(seeds):
            raise UserError(f"{self.where}: seeds={seeds!r} must be different whole numbers, as in [1, 2]")
        return tuple(seeds)

    def contrast(self, value: Any) -> Contrast:
        if not isinstance(value, Mapping) or set(value) != {"level", "direction"}:
            raise UserError(f"{self.where}: contrast={value!r} must be {{level: NAME, direction: higher}} or null")
        return Contrast(str(value["level"]), self._text(value["direction"], "contrast.direction"))

    def margin(self) -> float | None:
        margin = self.node.get("margin")
        if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float) or margin <= 0):
            raise UserError(f"{self.where}: margin={margin!r} must be a number above 0, in units of the metric")
        return None if margin is None else float(margin)


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def store(folder: Path, plan: Plan, cells: Sequence[Cell]) -> None:
    """Write the plan into ``folder`` before its first run. Storing the same plan again is allowed.

    Overrides that cannot change numbers, such as those of displays, may differ. Raises UserError for another plan.
    """
    path = folder / FILE
    refuse_another(folder, plan, cells)
    if path.exists():
        return
    content = {
        "id": plan.id,
        "stored": now(),
        "digest": plan.digest,
        "plan": plan.as_json(),
        "cells": [asdict(cell) for cell in cells],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"the plan {path} cannot be written ({error.strerror}); choose another folder with runs=DIR"
        ) from None


def refuse_another(folder: Path, plan: Plan, cells: Sequence[Cell]) -> None:
    """Raise UserError if ``folder`` has a plan of another ablation, with other runs, or with another rule."""
    if not (folder / FILE).exists():
        return
    changed = differences(*load(folder), plan, cells)
    if changed:
        raise UserError(
            f"{folder / FILE} holds another plan of ablation {plan.id} ({'; '.join(changed)}); stored plans do not "
            f"change, so start a separate one with name=OTHER, or resume the first one with its own command"
        )


def load(folder: Path) -> tuple[Plan, list[Cell]]:
    """The plan stored in ``folder`` and its cells. Raises UserError if it is missing, damaged or edited."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text())
        plan = Plan.parse(content["id"], content["plan"])
        cells = [Cell(**cell) for cell in content["cells"]]
    except FileNotFoundError:
        raise UserError(f"{folder} holds no ablation: {FILE} is missing; run swaplab ablation run NAME") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}); restore it, or start another one with name=OTHER") from None
    if content.get("digest") != plan.digest or "stored" not in content:
        raise UserError(f"{path} was edited after it was stored; restore it, or start another one with name=OTHER")
    return plan, cells


def stored_at(folder: Path) -> str:
    """The time at which the stored plan was written, UTC, to the second."""
    return str(json.loads((folder / FILE).read_text())["stored"])


def differences(before: Plan, cells_before: Sequence[Cell], now: Plan, cells: Sequence[Cell]) -> list[str]:
    """The differences between two plans and their cells, in words; empty if the plans are equivalent."""
    fields = [name for name in Plan.__dataclass_fields__ if name != "base"]
    changed = [
        f"{name} was {_short(old)}, now {_short(new)}"
        for name in fields
        if (old := getattr(before, name)) != (new := getattr(now, name))
    ]
    if not changed and set(cells_before) != set(cells):
        dropped = [word for word in before.base if word not in now.base]
        added = [word for word in now.base if word not in before.base]
        said = [f"without {' '.join(dropped)}"] * bool(dropped) + [f"with {' '.join(added)}"] * bool(added)
        return [f"base is now {' and '.join(said)}" if said else "the configs of its runs differ"]
    return changed


def _short(value: Any) -> str:
    if isinstance(value, Contrast):
        return f"{value.level or 'every level'} {value.direction}"
    if isinstance(value, dict):
        value = [f"{name}: {' '.join(words)}" for name, words in value.items()]
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else repr(value)
