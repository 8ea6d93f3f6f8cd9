"""What a search varies: Hydra's sweep grammar on the command line, as a space that a sampler draws from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from swaplab.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Space:
    """The overrides that every trial has, and for every key that is searched its distribution."""

    fixed: tuple[str, ...]
    searched: dict[str, "BaseDistribution"]

    def overrides(self, drawn: Mapping[str, Any]) -> list[str]:
        """The command-line words of a trial: what is fixed, then the values drawn for the searched keys."""
        return [*self.fixed, *(f"{key}={_word(drawn[key], self.searched[key])}" for key in self.searched)]

    def levels(self, drawn: Mapping[str, Any]) -> dict[str, str]:
        """The drawn values as the words they are given in."""
        return {key.lstrip("+"): _word(drawn[key], self.searched[key]) for key in self.searched}


def space_of(overrides: Sequence["Override"]) -> Space:
    """The space that a command line describes.

    ``a,b`` and ``choice``, ``glob``: one of them. ``range(start,stop,step)``: a number of the row, without ``stop``.
    ``interval(low,high)``: any number between; ``int(interval(...))``: a whole one, without ``high``. ``tag(log,...)``
    on either: evenly on a logarithmic scale. Everything else is fixed.

    Raises UserError where nothing is searched, the seed is, or a sweep says what a search cannot follow.
    """
    fixed, searched = [], {}
    for override in overrides:
        if not override.is_sweep_override():
            fixed.append(override.input_line or "")
            continue
        key = override.get_key_element()
        if key == "seed":
            raise UserError(
                "seed cannot be searched: the best seed says nothing; compare seeds with a plain sweep (-m)"
            )
        searched[key] = _distribution(override)
    if not searched:
        raise UserError(
            "nothing is searched; give a key several values, such as norm=none,group or "
            "'optimizer.generator.lr=tag(log,interval(1e-4,1e-2))'"
        )
    return Space(tuple(fixed), searched)


def _distribution(override: "Override") -> "BaseDistribution":
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep
    from optuna.distributions import CategoricalDistribution

    sweep: Any = override.value()
    tags: set[str] = getattr(sweep, "tags", set())
    words = override.input_line
    log = "log" in tags
    if tags - {"log"}:
        raise UserError(f"{words}: a search knows the tag log alone; leave out {', '.join(sorted(tags - {'log'}))}")
    if getattr(sweep, "shuffle", False):
        raise UserError(f"{words}: the sampler chooses the order; leave out shuffle")
    try:
        if isinstance(sweep, IntervalSweep):
            return _between(sweep, log)
        if isinstance(sweep, RangeSweep):
            return _row(sweep, log)
        if log:
            raise ValueError("a choice has no scale; take an interval or a range, or leave out tag(log, ...)")
        return CategoricalDistribution(list(dict.fromkeys(override.sweep_string_iterator())))
    except ValueError as error:
        raise UserError(f"{words}: {error}") from None


def _between(sweep: "IntervalSweep", log: bool) -> "BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high = sweep.start, sweep.end
    assert low is not None
    assert high is not None
    _check_bounds(low, high, log)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high - 1, log=log)
    return FloatDistribution(low, high, log=log)


def _row(sweep: "RangeSweep", log: bool) -> "BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    values = sorted(sweep.range())
    if not values:
        raise ValueError("this range is empty; its end is not part of it")
    low, high, step = values[0], values[-1], abs(sweep.step)
    if isinstance(low, float):
        if log:
            raise ValueError("on a logarithmic scale a range has whole numbers; take an interval")
        return FloatDistribution(low, high, step=float(step))
    if log:
        _check_bounds(low, high + 1, log)
        if step != 1:
            raise ValueError("on a logarithmic scale a range has steps of 1; take an interval")
    return IntDistribution(low, high, log=log, step=int(step))


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not low < high:
        raise ValueError(f"the lower end {low} is not below the upper end {high}")
    if log and low <= 0:
        raise ValueError(f"on a logarithmic scale the lower end must be above 0, it is {low}")


def _word(value: Any, distribution: "BaseDistribution") -> str:
    """A drawn value for the command line; a step's rounding error is not the user's."""
    step = getattr(distribution, "step", None)
    if isinstance(value, float) and step is not None:
        low = Decimal(str(distribution.low))  # type: ignore[attr-defined]
        steps = round((value - float(low)) / step)
        return str(float(low + steps * Decimal(str(step))))
    return str(value)
