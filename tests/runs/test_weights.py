"""Weights on disk come back as they were, with the digest of the file; a damaged file is named."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from swaplab.errors import UserError
from swaplab.runs.weights import read_weights, save_weights


def test_weights_come_back_and_damage_is_named(tmp_path: Path) -> None:
    path, network = tmp_path / "final.safetensors", nn.Linear(3, 2)
    save_weights(path, network, {"images_seen": "7"})
    weights, digest = read_weights(path)
    assert weights.keys() == {"weight", "bias"}
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"junk")
    with pytest.raises(UserError, match=r"final.safetensors are damaged .* train it again"):
        read_weights(path)
    with pytest.raises(UserError, match="do not exist; train the run to its end first"):
        read_weights(tmp_path / "best.safetensors")
