"""Confidence intervals for the mean over frames, over clips. They describe one run and support no verdict."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from swaplab.randomness import generator_at

LEVEL = 0.95
RESAMPLES = 2000


def clip_sums(values: NDArray[np.float64], clips: Sequence[str]) -> NDArray[np.float64]:
    """Sums of ``values`` (n,) over the frames of each clip, in order of first appearance."""
    number = {name: i for i, name in enumerate(dict.fromkeys(clips))}
    sums = np.bincount([number[name] for name in clips], weights=values, minlength=len(number))
    return sums.astype(np.float64)


def clip_means(values: NDArray[np.float64], clips: Sequence[str]) -> dict[str, float]:
    """Mean of ``values`` (n,) over the frames of each clip."""
    means = clip_sums(values, clips) / clip_sums(np.ones(len(values)), clips)
    return dict(zip(dict.fromkeys(clips), means.tolist(), strict=True))


def clip_interval(
    values: NDArray[np.float64], clips: Sequence[str], seed: int, over: NDArray[np.float64] | None = None
) -> tuple[float, float] | None:
    """95 % bootstrap interval (Efron 1987, BCa) of the mean of ``values`` (n,), with whole clips resampled.

    With ``over`` (n,), the statistic is mean(values) / mean(over), resampled together. None for fewer than two clips,
    because one clip says nothing about others, and if ``over`` is 0 for a clip.
    """
    above = clip_sums(values, clips)
    below = clip_sums(np.ones_like(values) if over is None else over, clips)
    if len(above) < 2 or not below.all():
        return None
    ratios = above / below
    if np.ptp(ratios) <= 1e-12 * np.abs(ratios).max():  # all resamples would be equal and BCa undefined
        return float(ratios[0]), float(ratios[0])
    found = bootstrap(
        (above, below),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="BCa",
        rng=generator_at(seed, "clip interval"),
    ).confidence_interval
    return float(found.low), float(found.high)
