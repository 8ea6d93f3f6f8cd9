"""Two trainings are equal if every bit is; otherwise the first difference is named."""

import math

import pytest
import torch

from swaplab.runs.equality import first_difference, first_unlike, renamed

STEPS = [{"loss/a": 0.5, "loss/b": 1.0}, {"loss/a": 0.25}]


def test_equal_values_have_no_difference_whatever_their_order() -> None:
    assert first_difference(STEPS, [dict(reversed(step.items())) for step in STEPS]) is None
    assert first_difference([{"loss/a": math.nan}], [{"loss/a": math.nan}]) is None


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (
            [STEPS[0], {"loss/a": math.nextafter(0.25, 1)}],
            "loss/a at step 2 was 0.25, now is 0.25000000000000006 (relative difference 2.2e-16)",
        ),
        ([{"loss/a": 0.5}, STEPS[1]], "loss/b at step 1 was 1.0, now is missing"),
        ([STEPS[0], {"loss/a": 0.25, "loss/b": 2.0}], "loss/b at step 2 is new (2.0)"),
        ([STEPS[0], {"loss/a": math.nan}], "loss/a at step 2 was 0.25, now is nan"),
        (STEPS[:1], "2 steps were reported, now 1"),
        ([{"loss/a": 0.5, "loss/b": 3.0}], "loss/b at step 1 was 1.0, now is 3.0 (relative difference 6.7e-01)"),
    ],
    ids=["one ulp", "missing name", "new name", "not a number", "fewer steps", "value before length"],
)
def test_the_first_difference_is_named(new: list[dict[str, float]], says: str) -> None:
    assert first_difference(STEPS, new) == says


def test_the_sign_of_zero_counts() -> None:
    assert first_difference([{"loss/a": 0.0}], [{"loss/a": -0.0}]) == "loss/a at step 1 was 0.0, now is -0.0"


def test_a_name_is_renamed_only_where_all_its_values_are_equal() -> None:
    new = [{"loss/a": 0.5, "loss/c": 1.0}, {"loss/a": 0.25}]
    assert renamed(STEPS, STEPS) == {}
    assert renamed(STEPS, new) == {"loss/b": "loss/c"}
    assert renamed(STEPS, [new[0], {"loss/a": 0.25, "loss/c": 1.0}]) == {}


def test_a_new_name_takes_the_place_of_one_old_name() -> None:
    old = [{"loss/a": 0.5, "loss/a_weighted": 0.5}]
    assert renamed(old, [{"loss/c": 0.5, "loss/c_weighted": 0.5}]) == {
        "loss/a": "loss/c",
        "loss/a_weighted": "loss/c_weighted",
    }
    assert renamed(old, [{"loss/c": 0.5}]) == {"loss/a": "loss/c"}


def test_weights_are_compared_by_name_and_bit() -> None:
    old = {"a.weight": torch.tensor([1.0, 2.0], dtype=torch.float64), "b.steps": torch.tensor(3)}
    assert first_unlike(old, {name: weight.clone() for name, weight in old.items()}) is None
    moved = torch.tensor([1.0, math.nextafter(2.0, 3.0)], dtype=torch.float64)
    assert first_unlike(old, old | {"a.weight": moved}) == "the weight a.weight differs by up to 4.4e-16"
    assert first_unlike(old, {"a.weight": old["a.weight"]}) == "the weight b.steps is missing now"
    assert first_unlike(old, old | {"c": moved}) == "the weight c is new"
    narrow = old | {"a.weight": old["a.weight"].float()}
    assert first_unlike(old, narrow) == "the weight a.weight was float64 (2,), now is float32 (2,)"
