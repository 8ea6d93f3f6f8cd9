"""Differences between runs besides their factors: data, code, budget or precision can also change numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from swaplab.report.numbers import significant
from swaplab.report.reading import ReportedRun
from swaplab.runs.identity import debugging
from swaplab.runs.record import codes_of

UNKNOWN = "unknown"
NAMED = 6  # maximum number of runs to name


@dataclass(frozen=True)
class Unequal:
    """``what``: what differs; ``so``: the consequence, a sentence; ``groups``: each value with the indices of its runs.

    ``grave``: whether it can cause a difference as large as those under study; else it only changes rounding.
    """

    what: str
    so: str
    groups: list[tuple[str, list[int]]]
    grave: bool

    def named(self, labels: Sequence[str]) -> list[tuple[str, str]]:
        """Each value with the names of its runs, or their number if there are many."""
        return [
            (value, "; ".join(labels[i] for i in places) if len(places) <= NAMED else f"{len(places)} runs")
            for value, places in self.groups
        ]

    def sentence(self, labels: Sequence[str]) -> str:
        """The difference as text."""
        values = ", ".join(f"{value} ({names})" for value, names in self.named(labels))
        return f"the runs differ in {self.what}: {values}. {self.so}"


def _data(run: ReportedRun) -> str:
    data = run.facts.get("data")
    return str(data["digest"])[:10] if isinstance(data, dict) and "digest" in data else UNKNOWN


def _code(run: ReportedRun) -> str:
    return " then ".join(code[:10] for code in codes_of(run.facts)) or UNKNOWN


def _budget(run: ReportedRun) -> str:
    budget = run.config.get("budget")
    images = budget.get("images") if isinstance(budget, dict) else None
    return f"{significant(images)} images" if images else UNKNOWN


def _limits(run: ReportedRun) -> str:
    return ", ".join(debugging(run.config)) or "none"


def _torch(run: ReportedRun) -> str:
    versions = run.environment.get("versions")
    return str(versions.get("torch", UNKNOWN)) if isinstance(versions, dict) else UNKNOWN


def _judged_by(split: str | None, key: str, run: ReportedRun) -> str:
    return run.judged_by(split, key)


Say = Callable[[ReportedRun], str]
GRAVE: dict[str, tuple[Say, str]] = {
    "training data": (_data, "They were trained on different faces, which may explain a difference."),
    "image budget": (_budget, "Some were trained on more images, which may explain a difference."),
    "limits": (_limits, "A run with a limit only finds a fault; its numbers answer no question."),
    "precision": (lambda run: str(run.environment.get("precision")), "Precision may explain a difference."),
    "code": (_code, "They were trained by different versions of the code, which may explain a difference."),
}
ROUNDING: dict[str, Say] = {
    "torch version": _torch,
    "number of threads": lambda run: str(run.environment.get("threads")),
}
# What an evaluation depends on besides the run, with its key in the evaluation's settings.
JUDGED = {
    "yardstick": (
        "yardstick",
        "They were measured against different people or faces: scores and identities cannot be compared.",
    ),
    "set of held-out frames": (
        "judged_on",
        "They were measured on different held-out frames: their numbers are hardly comparable.",
    ),
}


def unequal(runs: Sequence[ReportedRun], split: str | None) -> list[Unequal]:
    """The differences between runs, grave ones first. ``split``: of the evaluations."""
    found = [Unequal(what, so, _grouped(runs, say), True) for what, (say, so) in GRAVE.items()]
    measured = [i for i, run in enumerate(runs) if run.evaluation(split)]
    for what, (key, so) in JUDGED.items():
        groups = _grouped([runs[i] for i in measured], partial(_judged_by, split, key))
        of_all = [(value, [measured[i] for i in places]) for value, places in groups]
        found.append(Unequal(what, so, of_all, True))
    found += [Unequal(what, "It can change rounding.", _grouped(runs, say), False) for what, say in ROUNDING.items()]
    return [each for each in found if len(each.groups) > 1]


def _grouped(runs: Sequence[ReportedRun], say: Say) -> list[tuple[str, list[int]]]:
    groups: dict[str, list[int]] = {}
    for i, run in enumerate(runs):
        groups.setdefault(say(run), []).append(i)
    return sorted(groups.items())
