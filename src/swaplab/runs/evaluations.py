"""Evaluations of a run, each by its weights and split: where they lie, and what they say as single numbers."""

import math
import re
from pathlib import Path
from typing import Any

SPLITS = ("val", "test")
WEIGHTS = ("final", "best")
JUDGED = "final"  # what verdicts are about: the average at the end of equal budgets, chosen by nobody


def evaluation_file(run: Path, weights: str, split: str) -> Path:
    """``evaluation/WEIGHTS/SPLIT.json`` of a run folder; its tables and sheets lie beside it."""
    return run / "evaluation" / weights / f"{split}.json"


def means(content: dict[str, Any]) -> dict[str, float]:
    """The model's values of an `evaluation_file`.

    ``evaluation/final/test/score``: the mean over directions; ``evaluation/final/test/score/A_to_B``: of one direction.
    Not ``val/...`` for the val split: these are the names of what training watches, on fewer frames.
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
    """A metric's name as plotting services take it, ``identity[net:ab12]`` as ``identity_net_ab12``.

    Letters, digits, underscores and slashes: W&B takes a dot for a step down a tree and brackets for a query.
    """
    return "/".join(re.sub(r"[^\w-]+", "_", part).strip("_") for part in name.split("/"))
