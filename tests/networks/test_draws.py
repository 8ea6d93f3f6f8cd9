import numpy as np
import pytest
import torch
from torch import nn

from swaplab.networks.draws import Draws, KeyedDropout, drawing
from swaplab.randomness import generator_at


def test_dropout_against_numpy() -> None:
    net = nn.Sequential()
    net.add_module("drop", KeyedDropout(0.3))
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64) + 1
    with drawing(net, Draws(5, "swap", [("A", 10), ("B", 10)])):
        dropped = net(x)
    for row, name in enumerate("AB"):
        uniform = generator_at(5, "model", "swap", "drop", name, 10).random((3, 4, 4), np.float32)
        expected = np.where(uniform >= 0.3, x[row].numpy() / 0.7, 0.0)
        np.testing.assert_allclose(dropped[row].numpy(), expected)
    assert torch.equal(net(x), x)


def test_share_of_zeros_and_mean() -> None:
    drop = KeyedDropout(0.5)
    with drawing(drop, Draws(0, "swap", [("A", i) for i in range(20)])):
        x = drop(torch.ones(20, 50, 10))
    assert float((x == 0).double().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(x.mean()) == pytest.approx(1.0, abs=0.04)


def test_nested_forwards_draw_for_their_own_purpose() -> None:
    drop, x = KeyedDropout(0.5), torch.ones(1, 100)
    inner, outer = (Draws(0, purpose, [("A", 0)]) for purpose in ("encode", "swap"))
    with drawing(drop, outer):
        first = drop(x)
        with drawing(drop, inner):
            other = drop(x)
        again = drop(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_batch_of_other_faces_is_an_error() -> None:
    drop = KeyedDropout(0.5)
    with drawing(drop, Draws(0, "swap", [("A", 0)])), pytest.raises(ValueError, match="2 faces, but the step has 1"):
        drop(torch.ones(2, 3))


def test_standard_normal() -> None:
    values = Draws(0, "noise", [("A", i) for i in range(40)]).normal(torch.empty(40, 500))
    assert float(values.mean()) == pytest.approx(0, abs=0.03)
    assert float(values.std()) == pytest.approx(1, abs=0.03)
