"""Fewer of many, always the same ones and never chosen by eye."""

import numpy as np


def evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` indices, evenly spread, in order, first and last included."""
    return [int(i) for i in np.linspace(0, count - 1, min(count, most)).round()]
