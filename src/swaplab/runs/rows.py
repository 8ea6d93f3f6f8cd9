"""Standard JSON: a number that is not finite becomes ``null``, and a damaged line of metrics loses only that line.

JSON has neither NaN nor infinities. In a row of metrics, ``null`` is read back as NaN.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, float]
METRICS = "metrics.jsonl"  # the file of a run folder
TAIL = 1 << 16  # bytes read at the end of metrics.jsonl to see a run's progress


def as_json(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON on one line, or indented."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers(node: Any) -> Row | None:
    """Metrics by name, with NaN for null; None if ``node`` is anything else."""
    if not isinstance(node, dict):
        return None
    row = {str(name): math.nan if value is None else value for name, value in node.items()}
    return row if all(isinstance(v, int | float) and not isinstance(v, bool) for v in row.values()) else None


def parsed(line: bytes) -> Row | None:
    """A row of metrics with ``images_seen``; None if the line is damaged."""
    try:
        row = numbers(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return row if row is not None and math.isfinite(row.get("images_seen", math.nan)) else None


def rows_of(path: Path) -> tuple[list[Row], list[int]]:
    """The rows of a file, and the numbers of damaged lines; a last line that a kill cut short counts as neither."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    found = [parsed(line) for line in lines]
    return _good(found), [number for number, row in enumerate(found, 1) if row is None]


def last_rows(path: Path) -> list[Row]:
    """The rows in the last `TAIL` bytes of a file."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        lines = file.read().split(b"\n")[1 if size > TAIL else 0 : -1]
    return _good(map(parsed, lines))


def newest(rows: Iterable[Row]) -> Row:
    """The newest value of every metric in rows, oldest first."""
    return {name: value for row in rows for name, value in row.items()}


def _good(found: Iterable[Row | None]) -> list[Row]:
    return [row for row in found if row is not None]
