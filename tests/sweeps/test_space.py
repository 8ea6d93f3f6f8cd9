"""Hydra's sweep grammar as a space: what is drawn is what Hydra would have enumerated."""

import numpy as np
import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from swaplab.errors import UserError
from swaplab.sweeps.space import Space, space_of


def parsed(*words: str) -> Space:
    return space_of(OverridesParser.create().parse_overrides(list(words)))


def drawn(space: Space, count: int = 200) -> list[list[str]]:
    """The words of random trials."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    return [space.overrides(study.ask(space.searched).params) for _ in range(count)]


@pytest.mark.parametrize(
    "word",
    [
        "x=1,2,5",
        "norm@here=none,group",
        "+x=choice([1,2],'a b',{k:1})",
        "x=range(1,5)",
        "x=range(7,0,-3)",
        "x=range(0.5,2.25,0.25)",
        "x=float(range(1,4))",
        "x=tag(log,range(1,6))",
    ],
)
def test_every_value_that_hydra_enumerates_is_drawn_and_no_other(word: str) -> None:
    [override] = OverridesParser.create().parse_overrides([word])
    key = override.get_key_element()
    expected = {f"{key}={value}" for value in override.sweep_string_iterator()}
    assert {words[0] for words in drawn(parsed(word))} == expected


@pytest.mark.parametrize("tagged", [False, True])
def test_an_interval_is_filled_evenly_on_its_scale(tagged: bool) -> None:
    word = "interval(1e-4,1e-2)"
    values = [
        float(words[0].removeprefix("lr="))
        for words in drawn(parsed(f"lr={f'tag(log,{word})' if tagged else word}"), 500)
    ]
    assert 1e-4 <= min(values) < max(values) <= 1e-2
    share = np.mean(np.array(values) < 1e-3)
    assert share == pytest.approx(0.5 if tagged else 0.09, abs=0.06)


def test_a_glob_is_a_choice_of_the_group() -> None:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path

    loader = ConfigLoaderImpl(create_config_search_path("pkg://swaplab.conf"))
    space = space_of(OverridesParser.create(loader).parse_overrides(["size=glob([s*,t*])"]))
    assert {words[0] for words in drawn(space)} == {"size=small", "size=tiny"}


def test_steps_are_free_of_rounding() -> None:
    assert {words[0] for words in drawn(parsed("x=range(0,1,0.1)"))} == {f"x=0.{tenth}" for tenth in range(10)}


def test_an_interval_of_whole_numbers_leaves_its_end_out() -> None:
    assert {words[0] for words in drawn(parsed("n=int(interval(2,5))"))} == {"n=2", "n=3", "n=4"}


def test_what_does_not_vary_is_in_every_trial_as_typed() -> None:
    space = parsed("a='x y'", "b=1,2", "~c", "+d=[1,2]")
    assert all(words[:3] == ["a='x y'", "~c", "+d=[1,2]"] for words in drawn(space, 5))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a=1"], "no key is searched"),
        (["seed=1,2"], "seed cannot be searched"),
        (["a=tag(log,choice(1,2))"], "a choice has no scale"),
        (["a=tag(log,interval(0,1))"], "must be above 0, not 0"),
        (["a=tag(log,range(1,9,2))"], "steps of 1"),
        (["a=tag(log,range(0.5,2.5,0.5))"], "whole numbers"),
        (["a=interval(2,1)"], "the lower end 2.0 must be below the upper end 1.0"),
        (["a=range(3,3)"], "empty"),
        (["a=tag(quick,choice(1,2))"], "supports only the tag log; remove quick"),
        (["a=shuffle(1,2)"], "remove shuffle"),
    ],
)
def test_what_a_search_cannot_follow_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parsed(*words)
