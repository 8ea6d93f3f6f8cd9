"""Read the weights that ship with the package."""

import hashlib
from importlib import resources

import torch
from safetensors.torch import load
from torch import Tensor

from swaplab.errors import UserError

QUANTIZATION = ".quantization"


def shipped_weights(name: str, sha256: str) -> dict[str, Tensor]:
    """The float32 tensors of ``assets/name``; 8-bit ones are dequantised as value * scale + minimum.

    Raises UserError if the file is missing or has another SHA-256.
    """
    file = resources.files("swaplab.networks.pretrained") / "assets" / name
    if not file.is_file():
        raise UserError(f"the weights {file} are missing; reinstall swaplab")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"the weights {file} are damaged (wrong SHA-256); reinstall swaplab")
    stored = load(content)
    return {
        key: dequantised(value, stored.get(key + QUANTIZATION))
        for key, value in stored.items()
        if not key.endswith(QUANTIZATION)
    }


def dequantised(values: Tensor, quantization: Tensor | None) -> Tensor:
    """The float32 values of a stored tensor; ``quantization``: (scale, minimum), or None for floats."""
    if quantization is None:
        return values
    scale, minimum = quantization.double()
    return (values.double() * scale + minimum).to(torch.float32)
