"""Range and non-linearity of the output, apart from each other."""

import pytest
import torch

from swaplab.errors import UserError
from swaplab.networks.output import Output

X = torch.linspace(-3, 3, 13, dtype=torch.float64)


def test_each_pair_is_its_formula_and_the_answer_is_in_unit_range() -> None:
    assert torch.equal(Output("unit", "sigmoid")(X), 1 / (1 + torch.exp(-X)))
    torch.testing.assert_close(Output("symmetric", "tanh")(X), (torch.tanh(X) + 1) / 2)
    assert torch.equal(Output("unit", "linear")(X), X)
    assert torch.equal(Output("symmetric", "linear")(X), (X + 1) / 2)
    for pair in (("unit", "linear"), ("symmetric", "linear")):
        held = Output(*pair).eval()(X)
        assert (held.min(), held.max()) == (0, 1)


def test_an_absolute_loss_has_the_gradient_of_the_rescaled_one() -> None:
    """L1 on [-1, 1] times a half, L2 times a quarter, is the loss on [0, 1]: gradients with respect to y agree."""
    target = torch.rand(13, dtype=torch.float64)
    for power, factor in ((1, 0.5), (2, 0.25)):
        y = X.clone().requires_grad_()
        (Output("symmetric", "linear")(y) - target).abs().pow(power).sum().backward()
        z = X.clone().requires_grad_()
        (factor * (z - (2 * target - 1)).abs().pow(power)).sum().backward()
        torch.testing.assert_close(y.grad, z.grad)


def test_faces_enter_in_the_same_range() -> None:
    face = torch.rand(1, 3, 4, 4)
    assert Output("unit", "sigmoid").entering(face) is face
    assert torch.equal(Output("symmetric", "tanh").entering(face), face * 2 - 1)


@pytest.mark.parametrize(
    ("range", "nonlinearity", "message"),
    [
        ("unit", "tanh", "choose sigmoid or linear"),
        ("symmetric", "sigmoid", "choose tanh or linear"),
        ("half", "tanh", "generator.output.range must be one of unit, symmetric; got half"),
        ("unit", "relu", "generator.output.nonlinearity must be one of .*; got relu"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(range: str, nonlinearity: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Output(range, nonlinearity)
