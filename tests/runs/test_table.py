"""The table of runs: metrics by name, the best first by their better side, and forms that other programs read."""

import csv
import io
import json
import math
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs.registry import Entry
from swaplab.runs.table import as_csv, as_list, as_text, metric_named, metrics_named, ordered

SCORE, PSNR = "evaluation/final/test/score", "evaluation/final/test/psnr"


def entry(identity: str, factors: dict[str, Any] | None = None, problem: str | None = None, **metrics: float) -> Entry:
    facts = {"status": "complete", "created": f"2026-11-24T10:00:{len(identity):02d}+00:00", "cost": {"seconds": 75.0}}
    config = {"seed": 1, "factors": factors or {}}
    values = {name.replace("__", "/"): value for name, value in metrics.items()}
    return Entry("n", identity, [], facts, config, {"images_seen": 64, **values}, problem)


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("loss/generator/x", "b a c"),  # lower is better
        ("-loss/generator/x", "a b c"),
        ("val/reconstruction_psnr", "a b c"),  # higher is better
        ("-val/reconstruction_psnr", "b a c"),
        ("evaluation/final/test/leak", "b a c"),  # the nearer to 0 the better
        ("loss/discriminator/y", "a b c"),  # no side is better: the smallest first
        ("created", "c a b"),
        ("-created", "a b c"),
    ],
)
def test_the_best_is_first_and_what_has_no_value_last(by: str, order: str) -> None:
    made = {
        "a": {"loss__generator__x": 2.0, "val__reconstruction_psnr": 21.0, "loss__discriminator__y": 1.0},
        "b": {"loss__generator__x": 1.0, "val__reconstruction_psnr": 20.0, "loss__discriminator__y": 2.0},
        "c": {"loss__generator__x": math.nan, "val__reconstruction_psnr": math.inf},
    }
    made["a"]["evaluation__final__test__leak"] = 0.2
    made["b"]["evaluation__final__test__leak"] = -0.1
    entries = [entry(name, **values) for name, values in made.items()]
    entries[2] = entry("c", **made["c"])
    entries[2].facts["created"] = "2027"
    assert " ".join(e.id for e in ordered(entries, by)) == order


def test_metrics_are_named_by_name_beginning_or_end() -> None:
    entries = [entry("a", **{SCORE.replace("/", "__"): 0.5, "val__reconstruction_psnr__A": 1.0, "val__rec": 1.0})]
    for word, name in {
        SCORE: SCORE,
        "eval": SCORE,
        "score": SCORE,
        "test/score": SCORE,
        "val/rec": "val/rec",  # the whole name goes before a beginning
        "A": "val/reconstruction_psnr/A",
    }.items():
        assert metric_named(entries, word) == name
    assert metrics_named(entries, "score, val/rec,test/score") == [SCORE, "val/rec"]
    for word, sentence in {
        "val": "metric val matches several of .*: val/rec, val/rec",
        "fid": "metric fid matches none",
    }.items():
        with pytest.raises(UserError, match=sentence):
            metric_named(entries, word)
    assert metric_named([], "anything") == "anything"


def test_without_a_name_the_usual_ones() -> None:
    assert metrics_named([entry("a", **{SCORE.replace("/", "__"): 0.5})], None) == [SCORE, PSNR]
    assert metrics_named([entry("a", val__reconstruction_psnr=20.0)], None) == ["val/reconstruction_psnr"]
    assert metrics_named([entry("a")], None) == []


def test_every_form_says_the_same() -> None:
    entries = [
        entry("a", {"norm": "batch, or not"}, val__rec=0.1 + 0.2, val__more=1.0),
        entry("b", {"mask": None}, val__rec=math.nan),
        Entry("n", "c", [], {}, {}, {}, "run.json is damaged"),
    ]
    lines = as_text(entries, ["val/rec"]).splitlines()
    assert [line.split()[:6] for line in lines[:3]] == [
        ["name", "id", "seed", "status", "images", "val/rec"],
        ["n", "a", "1", "complete", "64", "0.3"],
        ["n", "b", "1", "complete", "64", "nan"],
    ]
    assert lines[1].endswith("norm=batch, or not")
    assert lines[-1] == "n/c: run.json is damaged"
    rows = list(csv.DictReader(io.StringIO(as_csv(entries, ["val/rec"]))))
    assert list(rows[0]) == [
        *(
            "name",
            "id",
            "status",
            "seed",
            "created",
            "images_seen",
            "seconds",
            "val/rec",
            "factors.norm",
            "factors.mask",
        )
    ]
    assert (float(rows[0]["val/rec"]), rows[0]["factors.norm"], rows[0]["seconds"]) == (
        0.1 + 0.2,
        "batch, or not",
        "75.0",
    )
    assert (rows[2]["status"], rows[2]["val/rec"], rows[2]["seed"]) == ("damaged", "", "")
    found = json.loads(as_list(entries, ["val/rec"]))
    assert found[0]["metrics"] == {"val/rec": 0.1 + 0.2}
    assert found[1]["metrics"] == {"val/rec": None}  # JSON has no NaN
    assert (found[0]["factors"], found[2]["problem"]) == ({"norm": "batch, or not"}, "run.json is damaged")
    assert json.loads(as_list(entries, None))[0]["metrics"].keys() == {"images_seen", "val/rec", "val/more"}
