"""Deterministic selection of a subset."""

import numpy as np


def evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` indices, evenly spaced, in order, including the first and the last."""
    return [int(i) for i in np.linspace(0, count - 1, min(count, most)).round()]
