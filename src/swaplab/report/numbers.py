"""Numbers as text."""

from typing import Any

from swaplab.catalogue import written
from swaplab.report.reading import finite

NOTHING = "–"


def measured(name: str, value: Any) -> str:
    """A metric's value with its significant digits."""
    number = finite(value)
    if number is None:
        return NOTHING if value is None else "not finite"
    return written(name, number)


def significant(value: Any) -> str:
    """Four significant digits; whole numbers in full, with commas."""
    number = finite(value)
    if number is None:
        return NOTHING if value is None else "not finite"
    return f"{number:,.0f}" if number == int(number) or abs(number) >= 1e4 else f"{number:.4g}"


def duration(value: Any) -> str:
    """Seconds as hours, minutes and seconds."""
    seconds = finite(value)
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (hours + minutes > 0)
    return " ".join([*parts, f"{rest} s"])
