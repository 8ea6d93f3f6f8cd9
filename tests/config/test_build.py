from typing import Any

import pytest

from swaplab.config.build import build
from swaplab.errors import UserError
from swaplab.losses.reconstruction import L1

TARGET = "swaplab.losses.reconstruction.L1"


def test_a_node_becomes_what_it_names() -> None:
    assert build({"_target_": TARGET, "weight": 3.0}, "loss.reconstruction") == L1(weight=3.0)
    assert build(None, "loss.reconstruction") is None


@pytest.mark.parametrize("node", [{}, {"weight": 3.0}, 5, "l1", ["l1"]])
def test_a_node_that_names_no_class_is_refused(node: Any) -> None:
    with pytest.raises(UserError, match=r"^loss.reconstruction=.* has no _target_; choose an option"):
        build(node, "loss.reconstruction")
