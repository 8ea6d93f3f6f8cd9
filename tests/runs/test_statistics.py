import itertools
import math

import numpy as np
import pytest
from scipy import stats

from swaplab.randomness import generator_at
from swaplab.runs.statistics import (
    effect_size,
    equivalence_test,
    holm,
    paired_interval,
    seeds_needed,
    sign_flip_equivalence,
    sign_flip_test,
    sign_test,
    smallest_p,
    t_test,
)

D = np.array([0.031, 0.012, -0.004, 0.022, 0.018, 0.027])


def test_the_interval_and_the_test_are_those_of_scipy() -> None:
    arms = generator_at(1, "arms").normal(size=(2, 9))
    found = stats.ttest_rel(arms[0], arms[1])
    expected = found.confidence_interval(0.95)
    low, high = paired_interval(arms[0] - arms[1])
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert t_test(arms[0] - arms[1]) == pytest.approx(found.pvalue, rel=1e-12)


def test_the_interval_of_three_seeds_by_hand() -> None:
    # mean 2, sd 1, t(0.975, 2) = 4.302653
    low, high = paired_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), abs=1e-6)


def test_the_test_is_below_alpha_where_the_interval_excludes_zero() -> None:
    differences = generator_at(2, "d").normal(0.8, 1, size=(2000, 5))
    for alpha in (0.05, 0.0125):
        low, high = paired_interval(differences, alpha)
        assert np.array_equal(t_test(differences) < alpha, (low > 0) | (high < 0))


def test_equivalence_is_two_one_sided_tests_and_the_ninety_percent_interval() -> None:
    for margin in (0.01, 0.03, 0.05):
        above = stats.ttest_1samp(D, -margin, alternative="greater").pvalue
        below = stats.ttest_1samp(D, margin, alternative="less").pvalue
        assert equivalence_test(D, margin) == pytest.approx(max(above, below), rel=1e-12)
    many = generator_at(3, "d").normal(0.2, 1, size=(2000, 8))
    low, high = paired_interval(many, 0.1)
    assert np.array_equal(equivalence_test(many, 1.0) < 0.05, (low > -1) & (high < 1))


def test_equal_differences_have_no_spread() -> None:
    same = [0.1 + 0.2] * 6
    low, high = paired_interval(same)
    assert low == high == pytest.approx(0.3)
    assert t_test(same) == 0
    assert t_test([0.0] * 6) == 1
    assert np.isnan(effect_size(same))
    assert equivalence_test(same, 0.5) == 0
    assert equivalence_test(same, 0.2) == 1
    with pytest.raises(ValueError, match="1 difference has no spread"):
        paired_interval([1.0])


def test_the_effect_size_is_unbiased() -> None:
    effect = 0.7
    d = generator_at(4, "effects").normal(effect, 1, size=(200_000, 6))
    assert effect_size(d).mean() == pytest.approx(effect, abs=0.005)
    naive = (d.mean(1) / d.std(1, ddof=1)).mean()
    assert naive > effect + 0.1  # what the correction is for
    # Hedges' approximation of his own factor, 1 - 3 / (4 f - 1)
    assert effect_size(D) == pytest.approx(D.mean() / D.std(ddof=1) * (1 - 3 / (4 * 5 - 1)), rel=0.005)


def test_sign_flips_are_those_of_a_slow_enumeration_and_of_scipy() -> None:
    for d in (D, -D, np.array([1.0, -1.0, 1.0, 2.0]), np.ones(6)):
        sums = [
            sum(s * x for s, x in zip(signs, d, strict=True)) for signs in itertools.product((1, -1), repeat=len(d))
        ]
        expected = sum(abs(s) >= abs(d.sum()) - 1e-9 for s in sums) / len(sums)
        assert sign_flip_test(d) == expected
        expected = sum(s >= d.sum() - 1e-9 for s in sums) / len(sums)
        assert sign_flip_test(d, "greater") == expected
        reference = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=10_000)
        assert sign_flip_test(d) == pytest.approx(reference.pvalue)
    assert sign_flip_test(np.ones(21)) is None


def test_sign_flip_equivalence_is_the_larger_of_both_sides() -> None:
    assert sign_flip_equivalence(D, 1.0) == 1 / 64
    assert sign_flip_equivalence(D, 0.02) == sign_flip_test(0.02 - D, "greater")


def test_the_sign_test_is_the_binomial() -> None:
    assert sign_test(6, 6) == pytest.approx(2 / 64)
    assert sign_test(5, 6) == pytest.approx(2 * 7 / 64)
    assert sign_test(0, 0) == 1


def test_holm_by_hand_and_against_a_slow_reference() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    for p in generator_at(5, "p").uniform(0, 0.1, size=(50, 5)):
        ordered = sorted(p)
        expected = [min(1.0, max((5 - k) * ordered[k] for k in range(ordered.index(value) + 1))) for value in p]
        assert holm(p.tolist()) == pytest.approx(expected)


def test_seeds_that_a_test_needs() -> None:
    assert [smallest_p(n) for n in (2, 5, 6)] == [0.5, 0.0625, 0.03125]
    assert smallest_p(6, tests=4) == 0.125
    assert [seeds_needed(tests) for tests in (1, 2, 3, 4, 8)] == [6, 7, 7, 8, 9]
    assert seeds_needed(1, "greater") == 5
    # the bound is reached by the most favourable data, and by nothing better
    for n in (3, 6):
        assert sign_flip_test(np.arange(1.0, n + 1)) == smallest_p(n)


def covered(differences: np.ndarray, mean: float) -> float:
    low, high = paired_interval(differences)
    return float(np.mean((low <= mean) & (mean <= high)))


@pytest.mark.parametrize("seeds", [3, 6, 10])
def test_the_interval_covers_95_of_100_true_means_of_normal_data(seeds: int) -> None:
    draw = generator_at(6, "coverage", str(seeds))
    shared = draw.normal(0, 3, size=(40_000, seeds))  # what a seed gives both arms
    level, reference = shared + draw.normal(0.5, 1, shared.shape), shared + draw.normal(0, 2, shared.shape)
    assert 0.94 <= covered(level - reference, 0.5) <= 0.96
    # the interval that clips or frames as units would give is far too short
    low, high = paired_interval(level - reference, 0.5)
    assert np.mean((low <= 0.5) & (high >= 0.5)) < 0.6


def test_skewed_differences_are_covered_less_and_skewed_arms_are_not() -> None:
    draw = generator_at(7, "skewed")
    skewed = draw.lognormal(0, 1, size=(40_000, 6))
    assert 0.78 <= covered(skewed, math.exp(0.5)) <= 0.86
    other = draw.lognormal(0, 1, size=skewed.shape)
    assert covered(skewed - other, 0) >= 0.95
