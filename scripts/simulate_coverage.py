"""Simulate how often the paired interval contains the true mean, for normal and skewed differences.

    python scripts/simulate_coverage.py

Prints Markdown tables.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from swaplab.randomness import generator_at
from swaplab.runs.statistics import effect_size, equivalence_test, paired_interval, t_test

REPEATS = 100_000
SEEDS = (3, 6, 10, 20)
Draw = Callable[[Generator, tuple[int, int]], NDArray[np.float64]]

# differences between level and reference over seeds, and their true mean
CASES: dict[str, tuple[Draw, float]] = {
    "normal differences": (lambda rng, shape: rng.normal(0.5, 1, shape), 0.5),
    "two lognormal arms, subtracted": (lambda rng, shape: rng.lognormal(size=shape) - rng.lognormal(size=shape), 0.0),
    "exponential differences (skewness 2)": (lambda rng, shape: rng.exponential(1, shape), 1.0),
    "lognormal differences (skewness 6.2)": (lambda rng, shape: rng.lognormal(size=shape), math.exp(0.5)),
    "one seed in ten falls by 5 sd": (lambda rng, shape: rng.normal(size=shape) - 5 * (rng.random(shape) < 0.1), -0.5),
}


def main() -> None:
    """Print coverage by case and number of seeds, then error rates and power under normal differences."""
    print("| coverage of the 95 % interval | " + " | ".join(f"{n} seeds" for n in SEEDS) + " |")
    print("|---" * (len(SEEDS) + 1) + "|")
    for name, (draw, mean) in CASES.items():
        cells = []
        for n in SEEDS:
            low, high = paired_interval(draw(generator_at(1, name, str(n)), (REPEATS, n)))
            cells.append(f"{100 * np.mean((low <= mean) & (mean <= high)):.1f} %")
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    print("| normal differences, 6 seeds, true effect (sd of differences) | 0 | 0.5 | 1 | 1.5 | 2 | 3 |")
    print("|---" * 7 + "|")
    rows: dict[str, list[str]] = {"verdict in the right direction": [], "in the wrong one": [], "equal within 1 sd": []}
    for effect in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0):
        d = generator_at(2, str(effect)).normal(effect, 1, (REPEATS, 6))
        decided, sign = t_test(d) < 0.05, effect_size(d) > 0
        for row, found in zip(
            rows.values(), (decided & sign, decided & ~sign, equivalence_test(d, 1.0) < 0.05), strict=True
        ):
            row.append(f"{100 * np.mean(found):.1f} %")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
