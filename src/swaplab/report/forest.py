"""The picture of a verdict: the paired difference of every seed as a dot, the mean, its interval and the margin."""

from collections.abc import Sequence
from dataclasses import dataclass

from swaplab.report.figures import compact, round_numbers
from swaplab.report.grids import interval, signed
from swaplab.runs.verdict import Judgement

TICKS = 5
EDGE = 0.06  # free share of the axis at each end
TOP, STEP = 12.0, 18.0  # pixels: position of the highest dot, and vertical space for all dots


@dataclass(frozen=True)
class Dot:
    """``x``: percent of the axis; ``y``: pixels, different for each dot, so that equal differences do not overlap."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Row:
    """A comparison. ``bar``: interval, in percent of the axis; ``lost``: number of seeds without a difference."""

    label: str
    verdict: str
    dots: list[Dot]
    mean: float | None
    bar: tuple[float, float] | None
    text: str
    lost: str


@dataclass(frozen=True)
class Forest:
    """``zero``, ``margin``, ``ticks``: in percent of the axis. ``axis``: its title."""

    axis: str
    rows: list[Row]
    zero: float
    margin: tuple[float, float] | None
    ticks: list[tuple[float, str]]


def forest(name: str, reference: str, judged: Sequence[Judgement], margin: float | None) -> Forest:
    """The picture of all comparisons of the metric ``name`` with the reference, on one axis that includes 0."""
    shown = [0.0, *([-margin, margin] if margin is not None else [])]
    for each in judged:
        shown += each.pairs.differences.values()
        shown += [end for end in (each.mean, each.low, each.high) if end is not None]
    low, high = min(shown), max(shown)
    if low == high:  # all values are 0
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
        return "no difference available"
    text = f"mean {signed(name, each.mean)}"
    return text if each.low is None else f"{text}, interval {interval(name, each.low, each.high)}"


def _lost(each: Judgement) -> str:
    """The number of seeds without a dot, and why."""
    counts = {"diverged": len(each.pairs.diverged), "missing": len(each.pairs.missing)}
    return ", ".join(f"{count} {why}" for why, count in counts.items() if count)
