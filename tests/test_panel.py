"""Couples of the panel: no person is in two of them, and each seed of data=panel has its own."""

from itertools import combinations, product

import pytest

import swaplab
from swaplab.config.border import validated
from swaplab.config.train import Train
from swaplab.errors import UserError
from swaplab.panel import BLOCKS, FIRST, MEMBERS, block_of, person_seed
from swaplab.synthetic.dataset import people_of


def test_blocks_are_disjoint_and_as_large_as_promised() -> None:
    assert {name: len(numbers) for name, numbers in BLOCKS.items()} == {"search": 16, "floor": 32, "verdict": 32}
    for one, other in combinations(BLOCKS.values(), 2):
        assert not set(one) & set(other)
    assert [block_of(number) for number in (0, 1, 16, 17, 101, 132, 201, 232, 233)] == [
        None,
        "search",
        "search",
        None,
        "floor",
        "floor",
        "verdict",
        "verdict",
        None,
    ]


def test_no_person_is_in_two_couples() -> None:
    couples = [number for numbers in BLOCKS.values() for number in numbers]
    seeds = [person_seed(number, member) for number, member in product(couples, MEMBERS)]
    assert len(set(seeds)) == len(seeds) == 160
    assert min(seeds) >= FIRST


def test_a_seed_has_its_own_couple_clips_and_start() -> None:
    first, second = (swaplab.compose("data=panel", f"seed={seed}") for seed in (1, 2))
    people = [{who.key for who in people_of(config["data"]["identities"]).values()} for config in (first, second)]
    assert len(people[0] | people[1]) == 4
    assert (first["data"]["seed"], second["data"]["seed"]) == (1, 2)
    fixed = swaplab.compose("data=panel", "data.couple=1", "seed=2")
    assert fixed["data"] == first["data"], "the couple can be held while start and order vary"


def test_a_member_is_a_or_b() -> None:
    config = swaplab.compose("data=panel")
    config["data"]["identities"]["A"]["member"] = "c"
    with pytest.raises(UserError, match="a or b"):
        validated(Train, config)
