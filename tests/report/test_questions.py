import math
from typing import Any

import pytest

from swaplab.report.questions import Question, questions

TOP1, IDENTITY, LANDMARKS = "retrieval_top1[mixed]@100", "identity[net:ab]", "landmark_distance[fan:cd]"


def way(name: str = "A->B", interval: tuple[float, float] | None = (0.1, 0.3), **own: float) -> dict[str, Any]:
    """A direction of an evaluation: the model's values over those of a good swap."""
    model = {"score": 0.2, "psnr": 25.0, "retrieval": 0.9, "identity": 0.95} | own
    names = {"retrieval": TOP1, "identity": IDENTITY}
    rows = {
        "model": {names.get(key, key): value for key, value in model.items()},
        "colour_match": {TOP1: 0.8, IDENTITY: 0.1, "psnr": 20.0},
        "nearest": {TOP1: 0.1, IDENTITY: 0.97, "psnr": 24.0},
        "re_encoded": {"score": 0.6},
    }
    metrics = {"psnr": {"best_trivial": "nearest"}, TOP1: {"chance": 0.01}, IDENTITY: {"best_trivial": "nearest"}}
    return {
        "direction": name,
        "rows": [{"key": k, "label": f"the {k}", "kind": "trivial", "values": v} for k, v in rows.items()],
        "metrics": metrics,
        "intervals": {"score": interval} if interval else {},
    }


def asked(*ways: dict[str, Any]) -> list[Question]:
    return questions({"directions": list(ways)})


def test_each_figure_stands_beside_what_it_is_read_against() -> None:
    swap, frame, person = asked(way())
    assert [(a.direction, a.figure, a.interval) for a in swap.answers] == [("A → B", "0.20", "0.10 … 0.30")]
    assert dict(zip(swap.against, swap.answers[0].beside, strict=True)) == {
        "dB": "25.00",
        "best trivial, dB": "24.00",
        "ceiling": "0.60",
    }
    assert dict(zip(frame.against, frame.answers[0].beside, strict=True)) == {"ceiling": "0.80", "chance": "0.01"}
    assert dict(zip(person.against, person.answers[0].beside, strict=True)) == {"best trivial": "0.97"}
    assert [q.mark for q in (swap, frame, person)] == ["good"] * 3


@pytest.mark.parametrize(
    ("own", "interval", "marks"),
    [
        ({"score": 0.2}, (-0.01, 0.3), ["fair", "good", "good"]),  # it may be chance
        ({"score": 0.2}, None, ["fair", "good", "good"]),  # nobody knows whether it is chance
        ({"score": 0.0}, (-0.1, 0.1), ["poor", "good", "good"]),
        ({"retrieval": 0.73}, (0.1, 0.3), ["good", "good", "good"]),  # more than 90 % of 0.8
        ({"retrieval": 0.71}, (0.1, 0.3), ["good", "fair", "good"]),
        ({"retrieval": 0.39}, (0.1, 0.3), ["good", "poor", "good"]),
        ({"identity": 0.89}, (0.1, 0.3), ["good", "good", "fair"]),
        ({"identity": 0.49}, (0.1, 0.3), ["good", "good", "poor"]),
        ({"identity": math.nan}, (0.1, 0.3), ["good", "good", "unknown"]),
    ],
)
def test_the_word_follows_the_rule(own: dict[str, float], interval: Any, marks: list[str]) -> None:
    assert [question.mark for question in asked(way(interval=interval, **own))] == marks


def test_the_worst_direction_gives_the_word() -> None:
    frame = asked(way("A->B"), way("B->A", retrieval=0.2))[1]
    assert (frame.mark, [answer.grade for answer in frame.answers]) == ("poor", [2, 0])


def test_a_recogniser_that_was_trained_against_is_said_to_flatter() -> None:
    found = way()
    for row in found["rows"]:
        row["values"] = {name.replace(":ab]", ":ab], circular"): value for name, value in row["values"].items()}
    found["metrics"] = {name.replace(":ab]", ":ab], circular"): entry for name, entry in found["metrics"].items()}
    assert "too optimistic" in asked(found)[2].scale
    assert "too optimistic" not in asked(way())[2].scale


@pytest.mark.parametrize(("distance", "mark"), [(0.03, "good"), (0.06, "fair"), (0.09, "poor")])
def test_of_real_people_the_landmarks_say_whether_the_frame_is_kept(distance: float, mark: str) -> None:
    rows = [
        {"key": "model", "label": "model", "kind": "model", "values": {LANDMARKS: distance, IDENTITY: 0.6}},
        {"key": "mean", "label": "mean B", "kind": "trivial", "values": {LANDMARKS: 0.08, IDENTITY: 0.5}},
    ]
    metrics = {LANDMARKS: {"best_trivial": "mean"}, IDENTITY: {"best_trivial": "mean"}}
    swap, frame, person = asked({"direction": "A->B", "rows": rows, "metrics": metrics, "intervals": {}})
    assert (swap.mark, swap.answers) == ("unknown", [])
    assert (frame.mark, frame.answers[0].figure) == (mark, f"{distance:.3f}")
    assert frame.answers[0].beside == ["0.080"]
    assert person.mark == "fair"
