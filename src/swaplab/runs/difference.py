"""The differences between two runs' configs."""

from typing import Any

from swaplab.runs.identity import changed_keys, leaves
from swaplab.tables import aligned


def difference(before: dict[str, Any], now: dict[str, Any], names: tuple[str, str]) -> str:
    """A table of the keys whose values differ, first those that can change numbers. ``names``: column headers."""
    first, second = dict(leaves(before)), dict(leaves(now))
    changed = changed_keys(before, now)
    neutral = sorted({key for key, _ in set(first.items()) ^ set(second.items())} - set(changed))
    if not changed + neutral:
        return f"the configs are the same, {len(first)} keys"
    lines = []
    for title, keys in (("can change numbers", changed), ("cannot change numbers", neutral)):
        if keys:
            lines += aligned([(title, *names), *((key, first.get(key, "-"), second.get(key, "-")) for key in keys)])
    return "\n".join([*lines, f"{len(changed) + len(neutral)} of {len(first.keys() | second.keys())} keys differ"])
