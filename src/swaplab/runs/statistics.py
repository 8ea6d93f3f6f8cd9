"""Statistics of two arms over the same seeds: intervals, tests, and how many seeds a test needs. The unit is the seed.

``differences`` between the arms, one per seed, are along the last axis: (..., n).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

ALPHA = 0.05
ENUMERATED = 20  # maximum seeds for which every sign flip is tried, about a million sums

Floats = NDArray[np.float64]
Side = Literal["two-sided", "greater"]


def paired_interval(differences: ArrayLike, alpha: float = ALPHA) -> tuple[Floats, Floats]:
    """Student's interval (1908) for the mean difference: mean ± t(1 - alpha/2, n - 1) sd / sqrt(n); n >= 2.

    Its coverage is 1 - alpha if differences are normal, whatever the arms share; equal differences give a point.
    """
    mean, error, freedom = _moments(differences)
    half = stats.t.ppf(1 - alpha / 2, freedom) * error
    return mean - half, mean + half


def t_test(differences: ArrayLike) -> Floats:
    """Two-sided p of the paired t test that the mean difference is 0; below alpha if `paired_interval` excludes 0.

    Equal differences have no spread to test: p is 0, or 1 if they are 0; `verdict.judge` does not test them.
    """
    mean, error, freedom = _moments(differences)
    return np.asarray(2 * stats.t.sf(_over(np.abs(mean), error), freedom), float)


def equivalence_test(differences: ArrayLike, margin: float) -> Floats:
    """p of the two one-sided t tests (TOST, Schuirmann 1987) that the mean difference is outside (-margin, margin).

    Below alpha if the interval of level 1 - 2 alpha lies within the margin.
    """
    mean, error, freedom = _moments(differences)
    return np.asarray(stats.t.sf(_over(margin - np.abs(mean), error), freedom), float)


def effect_size(differences: ArrayLike) -> Floats:
    """Mean difference over the standard deviation of differences (Cohen's d_z), corrected for few seeds.

    The factor is exact for normal differences (Hedges 1981): G(f/2) / (sqrt(f/2) G((f - 1)/2)), f = n - 1. Needs three
    seeds; nan for fewer, and for equal differences.
    """
    mean, error, freedom = _moments(differences)
    if freedom < 2:
        return np.full(mean.shape, np.nan)
    factor = np.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = factor * mean / (error * np.sqrt(freedom + 1))
    return np.where(error > 0, found, np.nan)


def sign_flip_test(differences: ArrayLike, side: Side = "two-sided") -> float | None:
    """p of the exact sign-flip permutation test (Fisher 1935) that differences (n,) are symmetric about 0.

    The share of all 2^n sign choices whose sum is at least as extreme as the observed one. None for more than
    `ENUMERATED` seeds.
    """
    d = np.asarray(differences, float)
    if len(d) > ENUMERATED:
        return None
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    observed = d.sum()
    rounding = 1e-9 * np.abs(d).sum()
    if side == "greater":
        return float(np.mean(sums >= observed - rounding))
    return float(np.mean(np.abs(sums) >= abs(observed) - rounding))


def sign_flip_equivalence(differences: ArrayLike, margin: float) -> float | None:
    """The larger p of two one-sided sign-flip tests: differences (n,) are above -margin, and below margin."""
    d = np.asarray(differences, float)
    above, below = sign_flip_test(margin + d, "greater"), sign_flip_test(margin - d, "greater")
    return None if above is None or below is None else max(above, below)


def sign_test(successes: int, seeds: int) -> float:
    """Two-sided p of the exact sign test (Arbuthnot 1710): ``successes`` of ``seeds`` differences have one sign."""
    return float(stats.binomtest(successes, seeds).pvalue) if seeds else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979): the family's chance of any false rejection stays below alpha."""
    count = len(p_values)
    corrected, largest = [0.0] * count, 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def smallest_p(seeds: int, tests: int = 1, side: Side = "two-sided") -> float:
    """The smallest corrected p that the exact test of ``seeds`` differences can give, on the most favourable data.

    Of 2^n sign choices one is the most extreme, or two in a two-sided test; the correction multiplies by ``tests``.
    """
    return min(1.0, tests * (2.0 if side == "two-sided" else 1.0) / 2.0**seeds)


def seeds_needed(tests: int = 1, side: Side = "two-sided", alpha: float = ALPHA) -> int:
    """The fewest seeds with which the exact test, corrected for ``tests``, can reach ``alpha``."""
    seeds = 2
    while smallest_p(seeds, tests, side) >= alpha:
        seeds += 1
    return seeds


def _moments(differences: ArrayLike) -> tuple[Floats, Floats, int]:
    """Mean, its standard error, and the degrees of freedom; the error of equal differences is exactly 0."""
    d = np.asarray(differences, float)
    count = d.shape[-1]
    if count < 2:
        raise ValueError(f"{count} difference has no spread; two or more are needed")
    mean, deviation = d.mean(-1), d.std(-1, ddof=1)
    deviation = np.where(deviation <= 1e-12 * np.abs(d).max(-1), 0.0, deviation)
    return mean, deviation / np.sqrt(count), count - 1


def _over(distance: Floats, error: Floats) -> Floats:
    """Distance in standard errors; if the error is 0, infinite with the distance's sign, or 0 for distance 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, distance / error, np.where(distance == 0, 0.0, np.copysign(np.inf, distance)))
