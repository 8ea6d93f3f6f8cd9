"""The verdict of differences over seeds on a hypothesis: supported, refuted or undecided, by rules set in advance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from swaplab.runs.statistics import (
    ALPHA,
    Side,
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

Direction = Literal["higher", "lower", "equal", "different"]
DIRECTIONS: tuple[Direction, ...] = ("higher", "lower", "equal", "different")
SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"


@dataclass(frozen=True)
class Pairs:
    """A level compared with the reference.

    ``differences``: seed -> level minus reference, where both have a number. ``diverged``: seeds at which a run of
    either arm diverged or has no finite number. ``missing``: seeds at which a run is missing, failed, unfinished or
    not measured yet. ``rounding``: the largest difference that rounding alone can make.
    """

    level: str
    differences: dict[int, float]
    diverged: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    rounding: float = 0.0

    @property
    def flat(self) -> bool:
        """Whether the differences vary no more than rounding explains, so that they cannot be tested."""
        values = list(self.differences.values())
        return len(values) > 1 and max(values) - min(values) <= max(self.rounding, 1e-12 * max(map(abs, values)))


@dataclass(frozen=True)
class Judgement:
    """One comparison. ``low`` and ``high``: interval for the mean difference; all intervals of a family hold
    simultaneously with 95 % (Dunn 1961). ``p``: of the t test, for ``equal`` of the two one-sided tests; ``corrected``:
    after Holm. ``check``: the exact sign-flip p, times the number of tests in the family. ``reasons``: sentences.
    Numbers that do not exist are None.
    """

    level: str
    direction: Direction
    pairs: Pairs
    verdict: str
    reasons: tuple[str, ...]
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    effect: float | None = None
    p: float | None = None
    corrected: float | None = None
    check: float | None = None


def judge(
    family: Sequence[Pairs], direction: Direction, margin: float | None = None, *, counted: bool = False
) -> list[Judgement]:
    """Judge every comparison of a family by one hypothesis: ``direction`` relates the level's mean to the reference's.

    higher, lower: supported if the corrected test rejects 0 and the mean has the predicted sign, refuted if it has the
    other sign. different: supported if the test rejects 0. equal: supported if both one-sided tests reject ``margin``,
    refuted if the interval lies wholly outside it. Otherwise undecided; also undecided if runs are missing, if the
    seeds are too few for the exact test to reach 0.05, if differences do not vary, or if runs diverged and the verdict
    does not hold with their pairs counted against it. Levels have different names. ``counted``: the config alone
    determines the numbers (parameters, operations), so differences that do not vary are themselves the answer.
    """
    if counted and all(pairs.flat and not pairs.missing for pairs in family):
        return [_compared(pairs, direction, margin) for pairs in family]
    measured = [pairs for pairs in family if len(pairs.differences) > 1 and not pairs.flat]
    corrected = dict(
        zip(
            [pairs.level for pairs in measured],
            holm([_p(pairs, direction, margin) for pairs in measured] + [1.0] * (len(family) - len(measured))),
            strict=False,
        )
    )
    return [_judge(pairs, direction, margin, len(family), corrected.get(pairs.level)) for pairs in family]


def overall(judgements: Sequence[Judgement]) -> str:
    """The verdict on a hypothesis about all levels: supported if all are, refuted if any is, else undecided."""
    verdicts = {each.verdict for each in judgements}
    if verdicts == {SUPPORTED}:
        return SUPPORTED
    return REFUTED if REFUTED in verdicts else UNDECIDED


def _p(pairs: Pairs, direction: Direction, margin: float | None) -> float:
    values = list(pairs.differences.values())
    return float(equivalence_test(values, _known(margin)) if direction == "equal" else t_test(values))


def _judge(pairs: Pairs, direction: Direction, margin: float | None, tests: int, corrected: float | None) -> Judgement:
    values = list(pairs.differences.values())
    if corrected is None:
        mean = float(np.mean(values)) if values else None
        return Judgement(pairs.level, direction, pairs, UNDECIDED, _doubts(pairs, direction, tests, 0), mean)
    low, high = (float(end) for end in paired_interval(values, ALPHA / tests))
    mean = float(np.mean(values))
    verdict = _rule(direction, margin, mean, (low, high), corrected)
    agreeing = sum(value * mean > 0 for value in values)
    reasons = _doubts(pairs, direction, tests, agreeing)
    check = sign_flip_equivalence(values, _known(margin)) if direction == "equal" else sign_flip_test(values)
    check = None if check is None else min(1.0, tests * check)
    if reasons and not _stands(pairs, direction, tests, agreeing):
        verdict = UNDECIDED
    elif check is not None and verdict == SUPPORTED and check >= ALPHA:
        reasons += (
            f"the exact check does not reach {ALPHA} (p = {check:.3g}): the verdict relies on normal differences",
        )
    effect = float(effect_size(values))
    return Judgement(
        level=pairs.level,
        direction=direction,
        pairs=pairs,
        verdict=verdict,
        reasons=reasons,
        mean=mean,
        low=low,
        high=high,
        effect=effect if np.isfinite(effect) else None,
        p=_p(pairs, direction, margin),
        corrected=corrected,
        check=check,
    )


def _compared(pairs: Pairs, direction: Direction, margin: float | None) -> Judgement:
    """Counted numbers are compared, not tested."""
    mean = float(np.mean(list(pairs.differences.values())))
    decided = mean != 0 if direction != "equal" else abs(mean) < _known(margin)
    verdict = _rule(direction, margin, mean, (mean, mean), 0.0 if decided else 1.0)
    reason = "counted, not sampled: every seed gives the same number, so nothing is tested"
    return Judgement(pairs.level, direction, pairs, verdict, (reason,), mean)


def _rule(
    direction: Direction,
    margin: float | None,
    mean: float,
    interval: tuple[float, float],
    corrected: float,
) -> str:
    """The verdict for complete pairs."""
    if direction == "equal":
        outside = interval[0] > _known(margin) or interval[1] < -_known(margin)
        return SUPPORTED if corrected < ALPHA else REFUTED if outside else UNDECIDED
    if corrected < ALPHA:
        predicted = {"higher": mean > 0, "lower": mean < 0, "different": True}[direction]
        return SUPPORTED if predicted else REFUTED
    return UNDECIDED


def _doubts(pairs: Pairs, direction: Direction, tests: int, agreeing: int) -> tuple[str, ...]:
    """The reasons against a verdict, also those that it survives."""
    doubts = []
    if pairs.missing:
        doubts.append(f"runs are missing or not measured: seed {_listed(pairs.missing)}")
    side, values = _side(direction), list(pairs.differences.values())
    have = len(values)
    if not pairs.missing and smallest_p(have, tests, side) >= ALPHA:
        many = f", corrected for {tests} comparisons," if tests > 1 else ""
        doubts.append(
            f"{have} pairs of seeds are too few: the smallest possible p of the exact test{many} is "
            f"{smallest_p(have, tests, side):.3g}, not below {ALPHA}; {seeds_needed(tests, side)} seeds are enough"
        )
    if pairs.flat:
        doubts.append(
            f"the differences of all {have} seeds are equal within rounding ({np.mean(values):.3g}): either nothing "
            f"differs or the metric does not see it, and without spread there is no test; choose another metric"
        )
    if pairs.diverged:
        text = f"a run diverged at seed {_listed(pairs.diverged)}: the interval excludes these pairs"
        if direction != "equal" and have:
            count = have + len(pairs.diverged)
            p = _worst_case(pairs, tests, agreeing)
            text += f"; counted against the verdict, {agreeing} of {count} signs agree (sign test, p = {p:.3g})"
        doubts.append(text)
    return tuple(doubts)


def _stands(pairs: Pairs, direction: Direction, tests: int, agreeing: int) -> bool:
    """Whether a verdict holds: all runs exist, the seeds suffice, and the sign test stays below alpha with every
    diverged pair counted against the verdict. Equality has no such worst case, so a diverged run undoes it."""
    enough = not pairs.missing and smallest_p(len(pairs.differences), tests, _side(direction)) < ALPHA
    if not pairs.diverged:
        return enough
    return enough and direction != "equal" and _worst_case(pairs, tests, agreeing) < ALPHA


def _worst_case(pairs: Pairs, tests: int, agreeing: int) -> float:
    count = len(pairs.differences) + len(pairs.diverged)
    return min(1.0, tests * sign_test(agreeing, count))


def _side(direction: Direction) -> Side:
    return "greater" if direction == "equal" else "two-sided"


def _known(margin: float | None) -> float:
    if margin is None or margin <= 0:
        raise ValueError(f"margin={margin}: equality needs a margin above 0")
    return margin


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
