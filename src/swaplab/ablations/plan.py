"""The plan of an ablation: what is asked, what varies, and by which rule the answer is judged.

It is stored before the first run, so that neither the metric nor the margin can be chosen after the numbers are seen.
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
    """The comparison that the verdict is about: ``level`` against the reference, None: every level against it.

    ``direction``: what the hypothesis says of the level's metric, one of `DIRECTIONS`.
    """

    level: str | None
    direction: str


@dataclass(frozen=True)
class Plan:
    """One factor, its levels (each a tuple of overrides), seeds, and how they are judged.

    ``base``: overrides of every run. ``changes``: dotted keys of the config below which levels may differ.
    ``metric``: the primary metric; ``guards``: those that must not be forgotten beside it. ``split``: what is measured
    after training, None where training's own numbers answer. ``margin``: within which two levels count as equal, in
    units of the metric.
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
        """Read the node of a file of conf/ablation. UserError for what is missing, unknown or contradictory."""
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
        """Plain values in the form of a file of conf/ablation; `parse` reads them back."""
        node = json.loads(json.dumps(asdict(self)))
        del node["id"]
        if self.contrast.level is None:
            node |= {"contrast": None, "direction": self.contrast.direction}
        return dict(node)

    @property
    def digest(self) -> str:
        """16 hex digits over all of it."""
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
            raise UserError(f"{where} has {len(self.levels)} level(s); give at least two to compare")
        for what, level in (("reference", self.reference), ("contrast.level", self.contrast.level)):
            if level is not None and level not in self.levels:
                raise UserError(f"{where}: {what} {level!r} is no level; choose one of {names}")
        if self.contrast.level == self.reference:
            raise UserError(f"{where}: contrast.level is the reference itself; choose another of {names}")
        if self.contrast.direction not in DIRECTIONS:
            raise UserError(f"{where}: direction {self.contrast.direction!r} is not known; choose {_or(DIRECTIONS)}")
        if (self.contrast.direction == "equal") != (self.margin is not None):
            need = "needs a margin, in units of the metric" if self.margin is None else "has no use for a margin"
            raise UserError(f"{where}: direction {self.contrast.direction} {need}; set or drop ablation.margin")
        if self.split not in (None, *SPLITS):
            raise UserError(f"{where}: split {self.split!r} is not known; choose {_or(SPLITS)}, or null for none")
        measured = [name for name in (self.metric, *self.guards) if not name.startswith(OF_A_RUN)]
        if measured and self.split is None:
            raise UserError(f"{where}: {measured[0]} is measured after training; set split to {_or(SPLITS)}")
        if self.metric in self.guards or len(set(self.guards)) < len(self.guards):
            raise UserError(f"{where}: every metric is named once, as the primary one or as a guard")
        if not self.changes:
            raise UserError(f"{where}: changes is empty; name the config keys in which levels differ")


@dataclass(frozen=True)
class Cell:
    """One level with one seed, and the folder name of its run."""

    level: str
    seed: int
    run_id: str


class _Reader:
    """Reads fields of a plan, with errors in one sentence."""

    def __init__(self, where: str, node: Mapping[str, Any]) -> None:
        self.where, self.node = where, node
        required = {name for name in Plan.__dataclass_fields__ if name not in ("id", "margin", "split", "contrast")}
        known = {*required, "margin", "split", "contrast", "direction"}
        for name in node:
            if name not in known:
                raise UserError(f"{where} has no field {name!r}; choose among {', '.join(sorted(known))}")
        missing = sorted(required - set(node))
        if missing:
            raise UserError(f"{where} lacks {', '.join(missing)}; a plan says all of it before the first run")
        if node.get("contrast") is not None and node.get("direction") is not None:
            raise UserError(f"{where} has a contrast and a direction; the contrast has its own, so drop the other")

    def text(self, name: str) -> str:
        return self._text(self.node.get(name), name)

    def _text(self, value: Any, name: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"{self.where}: {name} is {value!r}; give a text")
        return " ".join(value.split())

    def texts(self, name: str) -> tuple[str, ...]:
        return self._texts(self.node[name], name)

    def _texts(self, values: Any, name: str) -> tuple[str, ...]:
        if not isinstance(values, Sequence) or isinstance(values, str) or not all(isinstance(v, str) for v in values):
            raise UserError(f"{self.where}: {name} is {values!r}; give a list of texts, as in [norm=group]")
        return tuple(values)

    def levels(self) -> dict[str, tuple[str, ...]]:
        levels = self.node["levels"]
        if not isinstance(levels, Mapping):
            raise UserError(f"{self.where}: levels is {levels!r}; give NAME: [overrides]")
        for name in levels:
            if isinstance(name, bool) or name is None:
                raise UserError(f"{self.where}: a level is named {name!r}, which YAML reads as no text; quote it")
        return {str(name): self._texts(value, f"levels.{name}") for name, value in levels.items()}

    def seeds(self) -> tuple[int, ...]:
        seeds = self.node["seeds"]
        whole = isinstance(seeds, Sequence) and all(type(seed) is int and seed >= 0 for seed in seeds)
        if not whole or not seeds or len(set(seeds)) < len(seeds):
            raise UserError(f"{self.where}: seeds is {seeds!r}; give different whole numbers, as in [1, 2]")
        return tuple(seeds)

    def contrast(self, value: Any) -> Contrast:
        if not isinstance(value, Mapping) or set(value) != {"level", "direction"}:
            raise UserError(f"{self.where}: contrast is {value!r}; give {{level: NAME, direction: higher}}, or null")
        return Contrast(str(value["level"]), self._text(value["direction"], "contrast.direction"))

    def margin(self) -> float | None:
        margin = self.node.get("margin")
        if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float) or margin <= 0):
            raise UserError(f"{self.where}: margin is {margin!r}; give a number above 0, in units of the metric")
        return None if margin is None else float(margin)


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def store(folder: Path, plan: Plan, cells: Sequence[Cell]) -> None:
    """Write the plan into ``folder`` before its first run. The same plan may be stored again; UserError for another.

    Overrides that change no number, such as where things are shown, may differ: the cells' runs are the same.
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
        raise UserError(f"the plan {path} cannot be written ({error.strerror}); choose another with runs=DIR") from None


def refuse_another(folder: Path, plan: Plan, cells: Sequence[Cell]) -> None:
    """UserError if ``folder`` has the plan of another ablation, of other runs, or one that is judged otherwise."""
    if not (folder / FILE).exists():
        return
    changed = differences(*load(folder), plan, cells)
    if changed:
        raise UserError(
            f"{folder / FILE} holds another plan of ablation {plan.id} ({'; '.join(changed)}); a plan is not changed "
            f"once it is stored: start this one apart with name=OTHER, or go on with the command of the first"
        )


def load(folder: Path) -> tuple[Plan, list[Cell]]:
    """The plan stored in ``folder`` and its cells. UserError if there is none, or if it is damaged or was edited."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text())
        plan = Plan.parse(content["id"], content["plan"])
        cells = [Cell(**cell) for cell in content["cells"]]
    except FileNotFoundError:
        raise UserError(f"{folder} holds no ablation: {FILE} is missing; run swaplab ablation run NAME") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}); restore it, or start another: name=OTHER") from None
    if content.get("digest") != plan.digest or "stored" not in content:
        raise UserError(f"{path} was edited after it was stored; restore it, or start another with name=OTHER")
    return plan, cells


def stored_at(folder: Path) -> str:
    """When the plan of `load` was stored: UTC, to the second."""
    return str(json.loads((folder / FILE).read_text())["stored"])


def differences(before: Plan, cells_before: Sequence[Cell], now: Plan, cells: Sequence[Cell]) -> list[str]:
    """What differs between two plans and their cells, in words; empty: they ask the same of the same runs."""
    fields = [name for name in Plan.__dataclass_fields__ if name != "base"]
    changed = [
        f"{name} was {_short(old)} and is {_short(new)}"
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
