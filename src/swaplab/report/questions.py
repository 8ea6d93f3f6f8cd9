"""The three questions about a swap, each answered with large figures and a word.

A swap must be good at all three: each alone has a trivial winner (docs/measurement.md). The worst direction decides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swaplab.report.evaluations import named, pretty
from swaplab.report.numbers import NOTHING, measured
from swaplab.report.reading import finite

NEARLY, HALF = 0.9, 0.5  # minimum share of what is possible for "yes" and for "in part"
MARKS = ("poor", "fair", "good")
UNMEASURED = "Not measured"
TRUE_SWAP = (
    "No, a baseline is as close",
    "Not surely closer than a baseline",
    "Closer than any trivial baseline",
)
FRAME = ("No, expression and pose are lost", "In part", "Yes, expression and pose")
PERSON = ("No, nearer to the source", "In part, nearer to the target", "Yes")


@dataclass(frozen=True)
class Answer:
    """The answer of one direction. ``beside``: one text per ``against`` of the question. ``grade``: 0 no, 1 in part, 2
    yes."""

    direction: str
    figure: str
    interval: str
    beside: list[str]
    grade: int


@dataclass(frozen=True)
class Question:
    """``mark``: good, fair, poor or unknown. ``figure``: name of the large figures; ``scale``: their meaning; ``rule``:
    how they give the word; ``against``: names of the figures to compare with."""

    asks: str
    word: str
    mark: str
    figure: str
    scale: str
    rule: str
    against: list[str]
    answers: list[Answer]


def questions(content: dict[str, Any]) -> list[Question]:
    """The three questions for one evaluation, over all directions of a split."""
    ways = [_Way(found) for found in content["directions"]]
    rendered = any(way.name("score") for way in ways)
    return [_true_swap(ways) if rendered else NO_TRUTH, _kept(ways) if rendered else _moved(ways), _person(ways)]


NO_TRUTH = Question(
    "Is it the true swap?", "Not known", "unknown", "", "the true swap is known for rendered people only", "", [], []
)


class _Way:
    """One direction of an evaluation."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found
        self.values: dict[str, dict[str, Any]] = {row["key"]: row["values"] for row in found["rows"]}
        self.labels: dict[str, str] = {row["key"]: row["label"] for row in found["rows"]}

    def name(self, *starts: str) -> str:
        """The full name of a metric of the model; empty if it was not measured."""
        return named(self.values.get("model", {}), *starts)

    def of(self, key: str, name: str) -> float | None:
        """The value of a metric in the row ``key``."""
        return finite(self.values.get(key, {}).get(name))

    def best(self, name: str) -> str:
        """The key of the best trivial baseline."""
        return str(self.found["metrics"].get(name, {}).get("best_trivial"))

    def interval(self, name: str) -> tuple[float, float] | None:
        """The 95 % interval over clips."""
        found = (self.found.get("intervals") or {}).get(name)
        low, high = map(finite, found) if found else (None, None)
        return None if low is None or high is None else (low, high)


Told = tuple[str, float, list[str], int]  # metric, value, texts beside it, grade


def _asked(
    ways: Sequence[_Way], words: Sequence[str], answer: Callable[[_Way], Told | None], empty: Question
) -> Question:
    """The question with its answers and the word of the worst one."""
    answers = []
    for way in ways:
        told = answer(way)
        if told is not None:
            name, value, beside, grade = told
            ends = way.interval(name)
            interval = " … ".join(_figure(name, end) for end in ends) if ends else ""
            answers.append(Answer(pretty(way.found["direction"]), _figure(name, value), interval, beside, grade))
    if not answers:
        return empty
    grade = min(each.grade for each in answers)
    return replace(empty, word=words[grade], mark=MARKS[grade], answers=answers)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    digits = 3 if name.startswith("landmark") else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: avoids -0


def _true_swap(ways: Sequence[_Way]) -> Question:
    def answer(way: _Way) -> Told | None:
        value, ends = way.of("model", "score"), way.interval("score")
        if value is None:
            return None
        decibels = [measured("psnr", way.of(key, "psnr")) for key in ("model", way.best("psnr"))]
        beside = [*decibels, _figure("score", way.of("re_encoded", "score"))]
        return "score", value, beside, 2 if ends and ends[0] > 0 else int(value > 0)

    empty = Question(
        asks="Is it the true swap?",
        word=UNMEASURED,
        mark="unknown",
        figure="score",
        scale="1: the true swap, 0: the best trivial baseline; ceiling: the true swap re-encoded",
        rule="closer than any trivial baseline: the 95 % interval is above 0; no: the score is at most 0",
        against=["dB", "best trivial, dB", "ceiling"],
        answers=[],
    )
    return _asked(ways, TRUE_SWAP, answer, empty)


def _kept(ways: Sequence[_Way]) -> Question:
    def answer(way: _Way) -> Told | None:
        name = way.name("retrieval_top1[mixed]")
        value, ceiling = way.of("model", name), way.of("colour_match", name)
        if value is None:
            return None
        chance = finite(way.found["metrics"][name].get("chance"))
        beside = [_figure(name, ceiling), _figure(name, chance)]
        return name, value, beside, _grade(value, ceiling if ceiling is not None else 1.0)

    empty = Question(
        asks="Is the frame kept?",
        word=UNMEASURED,
        mark="unknown",
        figure="retrieval",
        scale="how often the true swap is the nearest candidate; ceiling: colour-matched source",
        rule=f"yes: at least {NEARLY:.0%} of the colour-matched source's value; in part: at least {HALF:.0%} of it",
        against=["ceiling", "chance"],
        answers=[],
    )
    return _asked(ways, FRAME, answer, empty)


def _moved(ways: Sequence[_Way]) -> Question:
    """The same question if the true swap is not known."""

    def answer(way: _Way) -> Told | None:
        name = way.name("landmark_distance[")
        value, frozen = way.of("model", name), way.of("mean", name)
        if value is None or frozen is None:
            return None
        return name, value, [_figure(name, frozen)], 2 if value <= HALF * frozen else int(value < frozen)

    empty = Question(
        asks="Is the frame kept?",
        word=UNMEASURED,
        mark="unknown",
        figure="landmark distance",
        scale="to the landmarks of the frame; 0: the same expression and pose",
        rule=f"yes: at most {HALF:.0%} of the distance of a static mean face; in part: less than that distance",
        against=["static mean face"],
        answers=[],
    )
    return _asked(ways, FRAME, answer, empty)


def _person(ways: Sequence[_Way]) -> Question:
    def answer(way: _Way) -> Told | None:
        name = way.name("identity[")
        value = way.of("model", name)
        if value is None:
            return None
        return name, value, [_figure(name, way.of(way.best(name), name))], _grade(value, 1.0)

    circular = any("circular" in way.name("identity[") for way in ways)
    empty = Question(
        asks="Is it the right person?",
        word=UNMEASURED,
        mark="unknown",
        figure="identity",
        scale="1: the real target, 0: the real source, measured by a face recognition network"
        + (" that the run's loss also used, so these values are too optimistic" if circular else ""),
        rule=f"yes: at least {NEARLY}; in part: at least {HALF}",
        against=["best trivial"],
        answers=[],
    )
    return _asked(ways, PERSON, answer, empty)


def _grade(value: float, possible: float) -> int:
    return (value >= HALF * possible) + (value >= NEARLY * possible)
