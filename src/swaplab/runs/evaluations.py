"""Evaluations of a run, one per weights and split: their files, and their values as single numbers."""

import contextlib
import json
import math
import re
from pathlib import Path
from typing import Any

SPLITS = ("val", "test")
WEIGHTS = ("final", "best")
JUDGED = "final"  # the weights that verdicts are about: the average at the end of equal budgets, selected by no metric


def evaluation_file(run: Path, weights: str, split: str) -> Path:
    """``evaluation/WEIGHTS/SPLIT.json`` of a run folder; its tables and sheets are beside it."""
    return run / "evaluation" / weights / f"{split}.json"


# All evaluations that a run folder may hold, relative to it.
PLACES = tuple(evaluation_file(Path(), weights, split) for weights in WEIGHTS for split in SPLITS)


def measured(run: Path) -> dict[str, float]:
    """`means` of all evaluations of a run folder, without damaged ones, about which the report says more."""
    values: dict[str, float] = {}
    for place in PLACES:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError, IndexError, StopIteration):
            values |= means(json.loads((run / place).read_text()))
    return values


def means(content: dict[str, Any]) -> dict[str, float]:
    """The model's values from the content of an `evaluation_file`.

    ``evaluation/final/test/score``: mean over directions; ``evaluation/final/test/score/A_to_B``: one direction. The
    names for the val split are not ``val/...``: those belong to validation during training, on fewer frames.
    """
    found: dict[str, dict[str, float]] = {}
    for direction in content["directions"]:
        model = next(row for row in direction["rows"] if row["key"] == "model")
        way = str(direction["direction"]).replace("->", "_to_")
        for name, value in model["values"].items():
            found.setdefault(name, {})[way] = math.nan if value is None else float(value)
    values, place = {}, f"evaluation/{content['weights']}/{content['split']}"
    for name, ways in found.items():
        values[f"{place}/{name}"] = sum(ways.values()) / len(ways)
        values |= {f"{place}/{name}/{way}": value for way, value in ways.items()}
    return values


def plotted_name(name: str) -> str:
    """A metric's name for plotting services: ``identity[net:ab12]`` becomes ``identity_net_ab12``.

    Keeps letters, digits, underscores, hyphens and slashes: W&B reads a dot as a tree level and brackets as a query.
    """
    return "/".join(re.sub(r"[^\w-]+", "_", part).strip("_") for part in name.split("/"))
