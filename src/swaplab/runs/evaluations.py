"""What an evaluation file says, as single numbers: one a metric, one a metric and direction."""

from typing import Any

SPLITS = ("val", "test")


def means(content: dict[str, Any]) -> dict[str, float]:
    """The model's values of ``evaluation/SPLIT.json``.

    ``test/score``: the mean over directions; ``test/score/A_to_B``: of one direction.
    """
    found: dict[str, dict[str, float]] = {}
    for direction in content["directions"]:
        model = next(row for row in direction["rows"] if row["key"] == "model")
        way = str(direction["direction"]).replace("->", "_to_")
        for name, value in model["values"].items():
            found.setdefault(name, {})[way] = float(value)
    split, values = content["split"], {}
    for name, ways in found.items():
        values[f"{split}/{name}"] = sum(ways.values()) / len(ways)
        values |= {f"{split}/{name}/{way}": value for way, value in ways.items()}
    return values
