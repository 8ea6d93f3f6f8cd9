"""The factors in which runs differ, as short columns, and the levels: runs with equal factors over seeds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swaplab.report.numbers import NOTHING
from swaplab.report.reading import ReportedRun
from swaplab.runs.identity import NEUTRAL, leaves

# Keys that may differ between runs of one level.
BESIDE = ("seed", "name", "factors", *NEUTRAL)
MANY = 6  # with more factors, the names of the experiments come first
TARGET = "_target_"

Flat = dict[str, str]


@dataclass(frozen=True)
class Factor:
    """``key``: a dotted config key, or a name from a sweep or an ablation. ``values``: text, one per run."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """Runs with equal factors. ``values``: of the factors; ``places``: indices of its runs."""

    label: str
    values: tuple[str, ...]
    places: tuple[int, ...]


def beside(key: str) -> bool:
    """Whether a config key may differ between runs of one level."""
    return any(_below(key, name) for name in BESIDE)


def flat_configs(runs: Sequence[ReportedRun]) -> list[Flat]:
    """Each run's config as dotted keys with values as text."""
    return [dict(leaves(run.config)) for run in runs]


def factors_of(runs: Sequence[ReportedRun]) -> list[Factor]:
    """The factors that distinguish the runs, besides seeds.

    Factors that a sweep or an ablation declared come first; then all config keys that differ and are not explained by
    them. A component represents the keys below it that it explains, and a key its copies. If many keys differ between
    runs of several experiments, the experiment's name is the first factor.
    """
    found = _differing(flat_configs(runs))
    chosen = _declared(runs)
    more = _merged(_unexplained(found, chosen))
    names = Factor("name", tuple(str(run.config.get("name", NOTHING)) for run in runs))
    if len(more) > MANY and len(set(names.values)) > 1:
        chosen = [names, *chosen]
        more = _merged(_unexplained(found, chosen))
    return chosen + more


def _declared(runs: Sequence[ReportedRun]) -> list[Factor]:
    """The ``factors`` of the configs that differ, if all runs have the same ones."""
    found = [run.config.get("factors") for run in runs]
    known = [each for each in found if isinstance(each, dict)]
    if len(known) < len(runs) or len({tuple(sorted(each)) for each in known}) > 1:
        return []
    columns = [Factor(str(key), tuple(str(each[key]) for each in known)) for key in known[0]]
    return [factor for factor in columns if len(set(factor.values)) > 1]


def _differing(flat: Sequence[Flat]) -> list[Factor]:
    """Config keys whose values differ; components before the keys below them."""
    keys = sorted({key for config in flat for key in config if not beside(key)})
    found = [Factor(key, tuple(config.get(key, NOTHING) for config in flat)) for key in keys]
    differing = [each for each in found if len(set(each.values)) > 1]
    nodes = [each.key.removesuffix(f".{TARGET}") for each in differing if each.key.endswith(f".{TARGET}")]
    components = [Factor(node, tuple(_component(config, node) for config in flat)) for node in nodes]
    return components + [
        each for each in differing if not explained(each, [c for c in components if _below(each.key, c.key)])
    ]


def _component(config: Flat, node: str) -> str:
    """The class at a node of a config, without its package."""
    return config.get(f"{node}.{TARGET}", _plain(config.get(node, NOTHING))).rpartition(".")[2]


def _below(key: str, node: str) -> bool:
    return key == node or key.startswith(f"{node}.")


def _unexplained(found: Sequence[Factor], chosen: Sequence[Factor]) -> list[Factor]:
    """The factors in ``found`` that the ``chosen`` ones do not explain.

    A chosen factor that is named like config keys explains only these: a budget that differs together with a norm is
    not part of the norm. A factor with any other name explains all keys that it determines.
    """
    own = [[each.key for each in found if _about(each.key, factor)] for factor in chosen]
    free = any(not keys for keys in own)
    covered = {key for keys in own for key in keys}
    return [each for each in found if not (explained(each, chosen) and (free or each.key in covered))]


def _about(key: str, factor: Factor) -> bool:
    """Whether a config key is named like a factor: ``generator.norm.groups`` like ``norm``."""
    return factor.key.replace("/", ".").rpartition(".")[2] in key


def _plain(value: str) -> str:
    return "none" if value == "null" else value


def explained(factor: Factor, by: Sequence[Factor]) -> bool:
    """Whether runs with equal values of the factors ``by`` also have equal values of ``factor``."""
    if not by:
        return False
    seen: dict[tuple[str, ...], str] = {}
    places = zip(*(each.values for each in by), strict=True)
    return all(seen.setdefault(place, value) == value for place, value in zip(places, factor.values, strict=True))


def _merged(factors: Sequence[Factor]) -> list[Factor]:
    """Remove copies: of factors with equal values and the same last word keep the one with the shortest key."""
    kept: dict[tuple[str, tuple[str, ...]], Factor] = {}
    for each in sorted(factors, key=lambda factor: factor.key.count(".")):
        kept.setdefault((each.key.rpartition(".")[2], each.values), each)
    return [each for each in factors if each in kept.values()]


def short_names(factors: Sequence[Factor]) -> list[str]:
    """The shortest unique suffix of each key."""
    found = []
    for factor in factors:
        words = factor.key.split(".")
        ends = [".".join(words[-n:]) for n in range(1, len(words) + 1)]
        others = [each.key for each in factors if each is not factor]
        found.append(next((end for end in ends if not any(_ends(other, end) for other in others)), factor.key))
    return found


def _ends(key: str, end: str) -> bool:
    return key == end or key.endswith(f".{end}")


def levels_of(runs: Sequence[ReportedRun], factors: Sequence[Factor]) -> list[Level]:
    """The existing combinations of factor values, in the order of their first runs."""
    places: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(runs)):
        places.setdefault(tuple(factor.values[i] for factor in factors), []).append(i)
    names = short_names(factors)
    labels = [_label(names, values) for values in places]
    exact = [_label(names, values, brief=False) for values in places]
    unlike = labels if len(set(labels)) == len(labels) else exact
    return [Level(label, values, tuple(places[values])) for label, values in zip(unlike, places, strict=True)]


def _label(names: Sequence[str], values: Sequence[str], brief: bool = True) -> str:
    """The label of a level: only the value if there is one factor. ``brief``: shortened, without missing values."""
    short = _shortened if brief else str
    if len(values) == 1:
        return short(values[0])
    pairs = [(name, value) for name, value in zip(names, values, strict=True) if not brief or value != NOTHING]
    return ", ".join(f"{name}={short(value)}" for name, value in pairs) or "all runs"


def _shortened(value: str, most: int = 32) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def seed_of(run: ReportedRun) -> Any:
    """The seed in a run's config."""
    return run.config.get("seed", NOTHING)


def labels_of(runs: Sequence[ReportedRun], levels: Sequence[Level]) -> list[str]:
    """A short unique name for each run: level and seed, and its folder if these are not unique."""
    labels = [""] * len(runs)
    for level in levels:
        for place in level.places:
            parts = [level.label] * (len(levels) > 1) + [f"seed {seed_of(runs[place])}"]
            labels[place] = " · ".join(parts)
    count = Counter(labels)
    return [f"{label} · {run.label}" if count[label] > 1 else label for label, run in zip(labels, runs, strict=True)]
