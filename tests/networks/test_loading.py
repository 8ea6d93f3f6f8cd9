"""A network takes the weights of the same architecture only."""

import pytest
import torch
from torch import nn

from swaplab.errors import UserError
from swaplab.networks.loading import put_weights


def test_weights_are_taken_and_another_architecture_is_named() -> None:
    network, other = nn.Linear(3, 2), nn.Linear(3, 2)
    put_weights(other, network.state_dict(), "the run")
    assert torch.equal(other.weight, network.weight)
    with pytest.raises(UserError, match=r"the run has another architecture: weight is \(2, 3\), not \(4, 3\)"):
        put_weights(nn.Linear(3, 4), network.state_dict(), "the run")
    with pytest.raises(UserError, match=r"another architecture: bias is not in this network \(1 differences\)"):
        put_weights(nn.Linear(3, 2, bias=False), network.state_dict(), "the run")
