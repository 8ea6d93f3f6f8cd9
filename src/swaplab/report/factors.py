"""What runs differ in, as a few short columns; and the levels that come of it: runs of equal factors over seeds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swaplab.report.numbers import NOTHING
from swaplab.report.reading import ReportedRun
from swaplab.runs.identity import NEUTRAL, leaves

# Differ between runs without being what is compared.
BESIDE = ("seed", "name", "factors", *NEUTRAL)
MANY = 6  # factors beyond which the names of the experiments tell runs apart better
TARGET = "_target_"

Flat = dict[str, str]


@dataclass(frozen=True)
class Factor:
    """``key``: a dotted key of the config, or what a sweep or an ablation named; ``values``: as text, one a run."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """Runs of equal factors. ``values``: those of the factors; ``places``: of its runs among all."""

    label: str
    values: tuple[str, ...]
    places: tuple[int, ...]


def beside(key: str) -> bool:
    """Whether a config key may differ between runs of one level."""
    return any(_below(key, name) for name in BESIDE)


def flat_configs(runs: Sequence[ReportedRun]) -> list[Flat]:
    """Dotted keys and values, as text, of each run's config."""
    return [dict(leaves(run.config)) for run in runs]


def factors_of(runs: Sequence[ReportedRun]) -> list[Factor]:
    """What tells the runs apart, besides their seeds.

    What a sweep or an ablation declared comes first, with the names it gave; then every config key that differs and
    that these do not explain. A component stands for all keys below it that it explains, and a key for its copies.
    Where many keys differ between runs of several experiments, the experiments' names are the first factor.
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
    """The ``factors`` of the configs, where all runs have the same ones; those that differ."""
    found = [run.config.get("factors") for run in runs]
    known = [each for each in found if isinstance(each, dict)]
    if len(known) < len(runs) or len({tuple(sorted(each)) for each in known}) > 1:
        return []
    columns = [Factor(str(key), tuple(str(each[key]) for each in known)) for key in known[0]]
    return [factor for factor in columns if len(set(factor.values)) > 1]


def _differing(flat: Sequence[Flat]) -> list[Factor]:
    """Config keys whose values differ; components before what is below them."""
    keys = sorted({key for config in flat for key in config if not beside(key)})
    found = [Factor(key, tuple(config.get(key, NOTHING) for config in flat)) for key in keys]
    differing = [each for each in found if len(set(each.values)) > 1]
    nodes = [each.key.removesuffix(f".{TARGET}") for each in differing if each.key.endswith(f".{TARGET}")]
    components = [Factor(node, tuple(_component(config, node) for config in flat)) for node in nodes]
    return components + [
        each for each in differing if not explained(each, [c for c in components if _below(each.key, c.key)])
    ]


def _component(config: Flat, node: str) -> str:
    """The class that a run has at a node of its config, without its package."""
    return config.get(f"{node}.{TARGET}", _plain(config.get(node, NOTHING))).rpartition(".")[2]


def _below(key: str, node: str) -> bool:
    return key == node or key.startswith(f"{node}.")


def _unexplained(found: Sequence[Factor], chosen: Sequence[Factor]) -> list[Factor]:
    """Those of ``found`` that the factors ``chosen`` do not explain.

    A factor that is named like config keys explains these alone: what else differs with it is no part of it, as two
    budgets are none of two norms. One that is named like none explains all that it decides.
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
    """Whether runs that are alike in ``by``, one or more factors, are alike in ``factor`` too."""
    if not by:
        return False
    seen: dict[tuple[str, ...], str] = {}
    places = zip(*(each.values for each in by), strict=True)
    return all(seen.setdefault(place, value) == value for place, value in zip(places, factor.values, strict=True))


def _merged(factors: Sequence[Factor]) -> list[Factor]:
    """Without copies: of factors of the same values and the same last word the one of the shortest key."""
    kept: dict[tuple[str, tuple[str, ...]], Factor] = {}
    for each in sorted(factors, key=lambda factor: factor.key.count(".")):
        kept.setdefault((each.key.rpartition(".")[2], each.values), each)
    return [each for each in factors if each in kept.values()]


def short_names(factors: Sequence[Factor]) -> list[str]:
    """Of each key the shortest end that no other has."""
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
    """The combinations of factors that there are, in the order of their first runs."""
    places: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(runs)):
        places.setdefault(tuple(factor.values[i] for factor in factors), []).append(i)
    names = short_names(factors)
    labels = [_label(names, values) for values in places]
    exact = [_label(names, values, brief=False) for values in places]
    unlike = labels if len(set(labels)) == len(labels) else exact
    return [Level(label, values, tuple(places[values])) for label, values in zip(unlike, places, strict=True)]


def _label(names: Sequence[str], values: Sequence[str], brief: bool = True) -> str:
    """What is read of a level: its value alone where there is one factor; in brief without those it does not have."""
    short = _shortened if brief else str
    if len(values) == 1:
        return short(values[0])
    pairs = [(name, value) for name, value in zip(names, values, strict=True) if not brief or value != NOTHING]
    return ", ".join(f"{name}={short(value)}" for name, value in pairs) or "all runs"


def _shortened(value: str, most: int = 32) -> str:
    return value if len(value) <= most else f"{value[: most - 1]}…"


def seed_of(run: ReportedRun) -> Any:
    """The seed that its config has."""
    return run.config.get("seed", NOTHING)


def labels_of(runs: Sequence[ReportedRun], levels: Sequence[Level]) -> list[str]:
    """A short name for each run that no other has: its level and seed, and its folder where these are not enough."""
    labels = [""] * len(runs)
    for level in levels:
        for place in level.places:
            parts = [level.label] * (len(levels) > 1) + [f"seed {seed_of(runs[place])}"]
            labels[place] = " · ".join(parts)
    count = Counter(labels)
    return [f"{label} · {run.label}" if count[label] > 1 else label for label, run in zip(labels, runs, strict=True)]
