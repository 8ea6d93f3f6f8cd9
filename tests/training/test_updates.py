import pytest

from swaplab.errors import UserError
from swaplab.training.updates import Joint, UpdateOrder, parts


def test_joint_steps_the_discriminator_first_and_shares_the_batch() -> None:
    assert isinstance(Joint(), UpdateOrder)
    updates = Joint().updates(("A", "B"), ("generator", "discriminator"))
    assert [u.name for u in updates] == ["discriminator", "generator"]
    assert parts(updates) == 1
    assert parts(Joint(fresh=True).updates(("A",), ("generator", "discriminator"))) == 2


def test_joint_without_a_discriminator_is_one_update() -> None:
    assert [u.name for u in Joint().updates(("A", "B"), ("generator",))] == ["generator"]


def test_a_ratio_below_one_is_refused() -> None:
    with pytest.raises(UserError, match=r"updates.generator_every=0 must be"):
        Joint(generator_every=0)
