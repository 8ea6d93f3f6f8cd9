"""What a verdict rests on as a picture: every seed's paired difference as a dot, the mean, its interval, the margin."""

from collections.abc import Sequence
from dataclasses import dataclass

from swaplab.report.figures import compact, round_numbers
from swaplab.report.grids import interval, signed
from swaplab.runs.verdict import Judgement

TICKS = 5
EDGE = 0.06  # of the axis that stays free at each end
TOP, STEP = 12.0, 18.0  # pixels: the highest dot, and the room that all dots share


@dataclass(frozen=True)
class Dot:
    """``x``: per cent of the axis; ``y``: pixels, so that equal differences do not cover each other."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Row:
    """A comparison. ``bar``: both ends of the interval, per cent of the axis; ``lost``: seeds without a difference."""

    label: str
    verdict: str
    dots: list[Dot]
    mean: float | None
    bar: tuple[float, float] | None
    text: str
    lost: str


@dataclass(frozen=True)
class Forest:
    """``zero``, ``margin``, ``ticks``: per cent of the axis. ``axis``: what it shows."""

    axis: str
    rows: list[Row]
    zero: float
    margin: tuple[float, float] | None
    ticks: list[tuple[float, str]]


def forest(name: str, reference: str, judged: Sequence[Judgement], margin: float | None) -> Forest:
    """The picture of all comparisons of a metric ``name`` with the reference, on one axis that holds 0."""
    shown = [0.0, *([-margin, margin] if margin is not None else [])]
    for each in judged:
        shown += each.pairs.differences.values()
        shown += [end for end in (each.mean, each.low, each.high) if end is not None]
    low, high = min(shown), max(shown)
    if low == high:  # nothing but zeros
        low, high = -1.0, 1.0

    def at(value: float) -> float:
        return round(100 * (EDGE + (1 - 2 * EDGE) * (value - low) / (high - low)), 2)

    rows = []
    for each in judged:
        pairs = sorted(each.pairs.differences.items())
        dots = [
            Dot(at(value), TOP + STEP * i / max(1, len(pairs) - 1), f"seed {seed}: {signed(name, value)}")
            for i, (seed, value) in enumerate(pairs)
        ]
        bar = None if each.low is None or each.high is None else (at(each.low), at(each.high))
        mean = None if each.mean is None else at(each.mean)
        rows.append(Row(f"{each.level} − {reference}", each.verdict, dots, mean, bar, _text(name, each), _lost(each)))
    return Forest(
        axis=f"difference of {name}, paired by seed",
        rows=rows,
        zero=at(0.0),
        margin=None if margin is None else (at(-margin), at(margin)),
        ticks=[(at(value), compact(value)) for value in round_numbers(low, high, TICKS)],
    )


def _text(name: str, each: Judgement) -> str:
    if each.mean is None:
        return "no difference could be taken"
    text = f"mean {signed(name, each.mean)}"
    return text if each.low is None else f"{text}, interval {interval(name, each.low, each.high)}"


def _lost(each: Judgement) -> str:
    """How many seeds are not among the dots, and why."""
    counts = {"diverged": len(each.pairs.diverged), "missing": len(each.pairs.missing)}
    return ", ".join(f"{count} {why}" for why, count in counts.items() if count)
