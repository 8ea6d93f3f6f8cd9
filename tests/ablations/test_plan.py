"""A plan says all of it before the first run, and stays what it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from swaplab.ablations.plan import Cell, Contrast, Plan, load, store
from swaplab.errors import UserError

NODE: dict[str, Any] = {
    "claim": "Norms matter.",
    "hypothesis": "A group norm\n  scores higher than none.",
    "base": ["experiment=quick"],
    "factor": "norm",
    "levels": {"none": ["norm=none"], "group": ["norm=group"], 0.1: ["norm=layer"]},
    "reference": "none",
    "changes": ["norm"],
    "seeds": [1, 2, 3],
    "metric": "score",
    "guards": ["tenengrad_ratio"],
    "split": "test",
    "contrast": {"level": "group", "direction": "higher"},
}
HOLM = {key: value for key, value in NODE.items() if key != "contrast"} | {"direction": "different"}


def test_a_plan_is_read_and_written_back() -> None:
    plan = Plan.parse("norm", NODE)
    assert plan.contrast == Contrast("group", "higher")
    assert plan.hypothesis == "A group norm scores higher than none."
    assert list(plan.levels) == ["none", "group", "0.1"]
    assert plan.comparisons == ("group",)
    assert Plan.parse("norm", plan.as_json()) == plan
    several = Plan.parse("norm", HOLM)
    assert several.comparisons == ("group", "0.1")
    assert Plan.parse("norm", several.as_json()) == several


def test_every_field_is_in_the_digest() -> None:
    changes: dict[str, Any] = {
        "claim": "Norms do not matter.",
        "levels": NODE["levels"] | {"group": ["norm=group", "norm.groups=4"]},
        "seeds": [1, 2, 4],
        "metric": "psnr",
        "contrast": {"level": "group", "direction": "lower"},
        "base": [],
    }
    digests = {Plan.parse("norm", NODE | {name: value}).digest for name, value in changes.items()}
    digests |= {Plan.parse("norm", NODE).digest, Plan.parse("other", NODE).digest}
    assert len(digests) == len(changes) + 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"levels": {"none": []}, "contrast": None, "direction": "higher"}, "1 level"),
        ({"levels": {False: ["norm=none"], "on": ["norm=group"]}}, "quote it"),
        ({"levels": {"none": "norm=none", "group": ["norm=group"]}}, "levels.none"),
        ({"reference": "batch"}, "reference 'batch' is not a level"),
        ({"contrast": {"level": "batch", "direction": "higher"}}, "contrast.level 'batch' is not a level"),
        ({"contrast": {"level": "none", "direction": "higher"}}, "another level than the reference"),
        ({"contrast": {"level": "group", "direction": "better"}}, "'better' must be"),
        ({"contrast": {"level": "group", "direction": "equal"}}, "needs a margin"),
        ({"margin": 0.1}, "does not use a margin"),
        ({"margin": -1}, "above 0"),
        ({"direction": "higher"}, "remove direction"),
        ({"contrast": None}, "direction=None"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"seeds": [True, 2]}, "different whole numbers"),
        ({"seeds": []}, "different whole numbers"),
        ({"split": "train"}, "split 'train'"),
        ({"split": None}, "measured after training"),
        ({"guards": ["score"]}, "named twice"),
        ({"changes": []}, "changes is empty"),
        ({"claim": " "}, "claim=' '"),
        ({"clam": "x"}, "unknown field 'clam'"),
    ],
)
def test_a_plan_that_says_nothing_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Plan.parse("norm", NODE | change)
    with pytest.raises(UserError, match="lacks metric"):
        Plan.parse("norm", {key: value for key, value in NODE.items() if key != "metric"})


def test_training_s_own_numbers_need_no_split() -> None:
    plan = Plan.parse("norm", NODE | {"split": None, "metric": "val/reconstruction_psnr", "guards": ["cost/seconds"]})
    assert plan.split is None


def test_a_stored_plan_is_not_changed(tmp_path: Path) -> None:
    plan, cells = Plan.parse("norm", NODE), [Cell("none", 1, "s1-0"), Cell("group", 1, "s1-1")]
    store(tmp_path / "norm", plan, cells)
    assert load(tmp_path / "norm") == (plan, cells)
    before = (tmp_path / "norm" / "plan.json").read_bytes()

    shown = Plan.parse("norm", NODE | {"base": ["experiment=quick", "trainer.progress=false"]})
    store(tmp_path / "norm", shown, cells)  # the same runs, watched otherwise
    other = [Cell("none", 1, "s1-2"), Cell("group", 1, "s1-3")]
    with pytest.raises(UserError, match=r"base is now with size=tiny.*name=OTHER"):
        store(tmp_path / "norm", Plan.parse("norm", NODE | {"base": ["experiment=quick", "size=tiny"]}), other)
    with pytest.raises(UserError, match="metric was 'score', now 'psnr'"):
        store(tmp_path / "norm", Plan.parse("norm", NODE | {"metric": "psnr"}), cells)
    with pytest.raises(UserError, match=r"contrast was group higher, now every level different"):
        store(tmp_path / "norm", Plan.parse("norm", HOLM), cells)
    assert (tmp_path / "norm" / "plan.json").read_bytes() == before


def test_a_damaged_or_edited_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no ablation"):
        load(tmp_path)
    store(tmp_path, Plan.parse("norm", NODE), [])
    path = tmp_path / "plan.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in content.items() if key != "stored"}))
    with pytest.raises(UserError, match="was edited"):
        load(tmp_path)
    content["plan"]["metric"] = "psnr"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="was edited"):
        load(tmp_path)
    for text in ("{", "[]", "{}", '{"id": "norm", "plan": {}, "cells": [{}]}'):
        path.write_text(text)
        with pytest.raises(UserError, match=r"cannot be read|lacks"):
            load(tmp_path)
