from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from swaplab.errors import UserError
from swaplab.synthetic.profile import profiles


def preset(name: str) -> dict[str, Any]:
    with initialize_config_module("swaplab.conf", version_base="1.3"):
        config = compose("train", [f"data/profile={name}"])
    read = OmegaConf.to_container(config.data.profile, resolve=True)
    assert isinstance(read, dict)
    return {str(key): value for key, value in read.items()}


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_presets_are_complete_and_large_enough(name: str) -> None:
    read = profiles(preset(name), {"A": 0, "B": 0})["A"]
    assert read.clips.train * read.images.train >= 700
    assert read.clips.test >= 20
    assert read.clips.test * read.images.test == 100
    assert 1 / read.rate.test >= 1
    assert read.clips.val >= 3


def test_hard_is_harder() -> None:
    easy, hard = (profiles(preset(name), {"A": 0})["A"] for name in ("easy", "hard"))
    for name in ("yaw_range", "pitch_range", "light", "background", "p_beard", "p_glasses", "p_occluder"):
        assert getattr(hard, name) > getattr(easy, name)


def test_an_override_is_one_identitys_alone() -> None:
    settings = preset("easy") | {"identities": {"A": {"p_glasses": 0.5, "clips": {"train": 7}}}}
    read = profiles(settings, {"A": 0, "B": 0})
    assert (read["A"].p_glasses, read["B"].p_glasses) == (0.5, 0.0)
    assert (read["A"].clips.train, read["A"].clips.val, read["B"].clips.train) == (7, 8, 100)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"p_hat": 0.5}, "data.profile.identities.A has no setting 'p_hat'.*p_glasses"),
        ({"clips": {"tset": 3}}, "data.profile.identities.A.clips has no setting 'tset'.*train, val, test"),
        ({"corruption": {"rain": 0.1}}, "corruption has no setting 'rain'"),
        ({"p_glasses": 1.5}, "data.profile.identities.A.p_glasses must be from 0 to 1; got 1.5"),
        ({"p_glasses": "often"}, "p_glasses must be a number; got 'often'"),
        ({"corruption": {"blur": -0.1}}, "corruption.blur must be from 0 to 1; got -0.1"),
        ({"yaw_shape": "flat"}, "yaw_shape must be one of uniform, normal, sides; got 'flat'"),
        ({"yaw_range": 90}, "yaw_range must be from 0 to 60 degrees; got 90.0"),
        ({"clips": {"train": 2.5}}, "clips.train must be a whole number of at least 0; got 2.5"),
        ({"rate": {"test": 0}}, "rate.test must be above 0 .*; got 0"),
        ({"clips": 5}, "clips must be a mapping of settings; got 5"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        profiles(preset("easy") | {"identities": {"A": change}}, {"A": 0})


def test_missing_and_foreign_parts_are_named() -> None:
    with pytest.raises(UserError, match="unknown identity 'Z'; choose from A"):
        profiles(preset("easy") | {"identities": {"Z": {}}}, {"A": 0})
    with pytest.raises(UserError, match="default lacks clips"):
        profiles({"default": {k: v for k, v in preset("easy")["default"].items() if k != "clips"}}, {"A": 0})
    with pytest.raises(UserError, match="must have 'default'"):
        profiles(preset("easy") | {"C": {}}, {"A": 0})
