"""The search space of a command line: Hydra's sweep grammar as Optuna distributions."""

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
    """The fixed overrides of every trial, and the distribution of each searched key."""

    fixed: tuple[str, ...]
    searched: dict[str, "BaseDistribution"]

    def overrides(self, drawn: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial: fixed ones, then the drawn values."""
        return [*self.fixed, *(f"{key}={_word(drawn[key], self.searched[key])}" for key in self.searched)]

    def levels(self, drawn: Mapping[str, Any]) -> dict[str, str]:
        """The drawn values as text, by key."""
        return {key.lstrip("+"): _word(drawn[key], self.searched[key]) for key in self.searched}


def space_of(overrides: Sequence["Override"]) -> Space:
    """The search space of the overrides on a command line.

    ``a,b``, ``choice`` and ``glob``: one of the values. ``range(start,stop,step)``: one number of the range, without
    ``stop``. ``interval(low,high)``: any number in between; ``int(interval(...))``: a whole number, without ``high``.
    ``tag(log,...)`` around a range or an interval: uniform on a logarithmic scale. Everything else is fixed.

    Raises UserError if nothing or the seed is searched, and for unsupported sweep syntax.
    """
    fixed, searched = [], {}
    for override in overrides:
        if not override.is_sweep_override():
            fixed.append(override.input_line or "")
            continue
        key = override.get_key_element()
        if key == "seed":
            raise UserError(
                "seed cannot be searched, because the best seed is not a finding; use a plain sweep (-m) over seeds"
            )
        searched[key] = _distribution(override)
    if not searched:
        raise UserError(
            "no key is searched; set a key to several values, such as norm=none,group or "
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
        raise UserError(f"{words}: a search supports only the tag log; remove {', '.join(sorted(tags - {'log'}))}")
    if getattr(sweep, "shuffle", False):
        raise UserError(f"{words}: the sampler sets the order; remove shuffle")
    try:
        if isinstance(sweep, IntervalSweep):
            return _between(sweep, log)
        if isinstance(sweep, RangeSweep):
            return _row(sweep, log)
        if log:
            raise ValueError("a choice has no scale; use an interval or a range, or remove tag(log, ...)")
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
        raise ValueError("this range is empty, because it does not include its end")
    low, high, step = values[0], values[-1], abs(sweep.step)
    if isinstance(low, float):
        if log:
            raise ValueError("a range on a logarithmic scale must have whole numbers; use an interval")
        return FloatDistribution(low, high, step=float(step))
    if log:
        _check_bounds(low, high + 1, log)
        if step != 1:
            raise ValueError("a range on a logarithmic scale must have steps of 1; use an interval")
    return IntDistribution(low, high, log=log, step=int(step))


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not low < high:
        raise ValueError(f"the lower end {low} must be below the upper end {high}")
    if log and low <= 0:
        raise ValueError(f"the lower end of a logarithmic scale must be above 0, not {low}")


def _word(value: Any, distribution: "BaseDistribution") -> str:
    """A drawn value as text, without the rounding error of steps."""
    step = getattr(distribution, "step", None)
    if isinstance(value, float) and step is not None:
        low = Decimal(str(distribution.low))  # type: ignore[attr-defined]
        steps = round((value - float(low)) / step)
        return str(float(low + steps * Decimal(str(step))))
    return str(value)
