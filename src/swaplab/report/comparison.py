"""Runs side by side: config differences, cost, environment and last values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from swaplab.report.numbers import NOTHING, duration, measured, significant
from swaplab.report.reading import ReportedRun, finite
from swaplab.runs.identity import leaves


@dataclass(frozen=True)
class Fact:
    """A name and its values, one per run."""

    name: str
    values: list[str]


def differing_keys(runs: Sequence[ReportedRun]) -> list[Fact]:
    """The dotted config keys whose values differ between runs."""
    flat = [dict(leaves(run.config)) for run in runs]
    keys = {key for config in flat for key in config}
    facts = [Fact(key, [config.get(key, NOTHING) for config in flat]) for key in sorted(keys)]
    return [fact for fact in facts if len(set(fact.values)) > 1]


def last_values(runs: Sequence[ReportedRun]) -> list[Fact]:
    """The latest value of every reported number."""
    newest = [run.newest for run in runs]
    names = dict.fromkeys(name for run in runs for name in run.series)
    return [Fact(name, [measured(name, values.get(name)) for values in newest]) for name in sorted(names)]


def costs(runs: Sequence[ReportedRun]) -> list[Fact]:
    """The cost and the environment of each run, without rows that no run has."""
    facts = [Fact(name, [_text(say(run)) for run in runs]) for name, say in COSTS.items()]
    facts += _group(runs, "parameters", lambda run: run.facts.get("parameters"))
    facts += _group(runs, "updates", lambda run: run.facts.get("updates"))
    facts += _group(runs, "version", lambda run: run.environment.get("versions"))
    return [fact for fact in facts if set(fact.values) != {NOTHING}]


def _group(runs: Sequence[ReportedRun], title: str, mapping: Callable[[ReportedRun], Any]) -> list[Fact]:
    """One row per key of the runs' mappings."""
    known = [found if isinstance(found := mapping(run), dict) else {} for run in runs]
    names = dict.fromkeys(name for values in known for name in values)
    return [Fact(f"{title}, {name}", [_text(values.get(name)) for values in known]) for name in names]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NOTHING
    if isinstance(value, bool) or finite(value) is None:
        return NOTHING if value is None else str(value)
    return significant(value)


def cost(run: ReportedRun) -> dict[str, Any]:
    """The recorded cost, such as seconds and peak memory; may be empty."""
    found = run.facts.get("cost")
    return found if isinstance(found, dict) else {}


def _images(run: ReportedRun) -> str:
    seen = run.facts.get("images_seen", run.rows[-1]["images_seen"] if run.rows else 0)
    budget = run.config.get("budget")
    total = budget.get("images") if isinstance(budget, dict) else None
    return significant(seen) + (f" of {significant(total)}" if total else "")


def speed(run: ReportedRun) -> float | None:
    """Images per second of training, the median over reports."""
    found = [finite(row.get("train/images_per_second")) for row in run.rows]
    known = [value for value in found if value is not None]
    return median(known) if known else None


def _memory(run: ReportedRun) -> str | None:
    peak = finite(cost(run).get("peak_memory_mb"))
    return None if peak is None else f"{peak:,.0f} MB"


def _commit(run: ReportedRun) -> str | None:
    git = run.facts.get("git")
    if not isinstance(git, dict):
        return None
    return str(git.get("commit"))[:10] + (" with changes" if git.get("changed") else "")


def _data_digest(run: ReportedRun) -> str | None:
    data = run.facts.get("data")
    return str(data["digest"])[:10] if isinstance(data, dict) and "digest" in data else None


COSTS: dict[str, Callable[[ReportedRun], Any]] = {
    "images seen": _images,
    "training time": lambda run: duration(cost(run).get("seconds")),
    "images per second (median)": speed,
    "peak memory": _memory,
    "precision": lambda run: run.environment.get("precision"),
    "threads": lambda run: run.environment.get("threads"),
    "cores": lambda run: run.environment.get("cores"),
    "processor": lambda run: run.environment.get("processor"),
    "CPU capability": lambda run: run.environment.get("cpu_capability"),
    "accelerators": lambda run: run.environment.get("accelerators"),
    "seed": lambda run: run.facts.get("seed"),
    "created": lambda run: run.facts.get("created"),
    "sessions": lambda run: len(run.facts["sessions"]),
    "commit": _commit,
    "config hash": lambda run: run.facts.get("config_hash"),
    "data digest": _data_digest,
    "Python": lambda run: run.environment.get("python"),
}
