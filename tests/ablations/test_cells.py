"""Cells of a plan: composed alike, but for what the plan varies and declares."""

from typing import Any

import pytest

from swaplab.ablations.cells import Compose, planned
from swaplab.config.compose import composer
from swaplab.errors import UserError

NODE: dict[str, Any] = {
    "claim": "Norms matter.",
    "hypothesis": "A group norm scores higher than none.",
    "base": ["experiment=quick", "size=tiny"],
    "factor": "norm",
    "levels": {"none": ["norm=none"], "group": ["norm=group", "norm.groups=2"]},
    "reference": "none",
    "changes": ["norm", "generator.norm"],
    "seeds": [1, 7],
    "metric": "score",
    "guards": [],
    "split": "test",
    "contrast": {"level": "group", "direction": "higher"},
}


@pytest.fixture(scope="module")
def compose() -> Compose:
    return composer("train")


def test_cells_differ_in_level_and_seed_alone(compose: Compose) -> None:
    found = planned("norm", NODE, ["batch_size=3", "data.seed=${seed}"], compose)
    assert [(cell.level, cell.seed) for cell in found.cells] == [("none", 1), ("group", 1), ("none", 7), ("group", 7)]
    assert len({cell.run_id for cell in found.cells}) == 4
    for cell, config in found.configs.items():
        assert config["seed"] == config["data"]["seed"] == cell.seed
        assert config["factors"] == {"norm": cell.level}
        assert (config["name"], config["labels"]["job_type"]) == ("norm", "ablation")
        assert config["batch_size"] == 3
        assert "ablation" not in config
        assert (config["norm"] is None) == (cell.level == "none")
    assert found.plan.base == ("experiment=quick", "size=tiny", "batch_size=3", "data.seed=${seed}")


def test_the_name_of_an_experiment_gives_way_but_a_user_s_counts(compose: Compose) -> None:
    config = next(iter(planned("norm", NODE, ["name=mine"], compose).configs.values()))
    assert config["name"] == "mine"


@pytest.mark.parametrize(
    ("change", "overrides", "said"),
    [
        ({}, ["norm=batch"], "norm=batch: ablation norm varies this key"),
        ({}, ["seed=3"], "ablation.seeds instead"),
        ({}, ["generator.widt=1"], "ablation norm, level none: Could not override"),
        ({}, ["batch_size=1,2"], "level none: .*sweep"),
        ({"levels": {"none": ["norm=none"], "group": ["norm=grup"]}}, [], "level group: .*norm/grup"),
        (
            {"levels": {"none": ["norm=none"], "group": ["norm=group", "batch_size=2"]}},
            [],
            "in batch_size, which is not in ablation.changes",
        ),
        ({"levels": {"none": ["norm=none"], "group": ["workers=3"]}}, ["norm=none"], "varies this key"),
        ({"levels": {"none": [], "group": ["workers=3"]}}, [], "the same run as level none"),
    ],
)
def test_what_would_not_be_a_comparison_is_refused(
    compose: Compose, change: dict[str, Any], overrides: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        planned("norm", NODE | change, overrides, compose)
