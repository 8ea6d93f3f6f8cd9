"""Multiply-accumulates of one swapped face."""

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from swaplab.networks.generator import swapped
from swaplab.networks.protocols import Generator


class _Face(nn.Module):
    """Swaps a face of the first identity to the next."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, face: Tensor) -> Tensor:
        generator = self.generator
        assert isinstance(generator, Generator)
        names = generator.identities
        return swapped(generator, face, names[0], names[1 % len(names)]).raw


def macs_of(generator: nn.Module, resolution: int) -> int | None:
    """Multiply-accumulates to swap one face (1, 3, R, R): encode, match the code, decode with mask.

    Counted from shapes, without computing: convolutions and matrix products (also those of attention), as half of
    torch's floating-point operations. Elementwise operations (norms, activations) are not counted. None for a generator
    whose control flow depends on values. The module is not changed.
    """
    whole = _Face(generator)
    named = (*whole.named_parameters(), *whole.named_buffers())
    training = {module: module.training for module in generator.modules()}
    counter: Any = FlopCounterMode(display=False)
    generator.eval()
    try:
        # the counter does not know the fused CPU attention, only its two products
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), sdpa_kernel(SDPBackend.MATH), counter:
            shapes = {name: torch.empty_like(tensor, device="cpu") for name, tensor in named}
            dtype = next(generator.parameters()).dtype
            functional_call(whole, shapes, (torch.empty(1, 3, resolution, resolution, dtype=dtype),))
    except (DynamicOutputShapeException, DataDependentOutputException):
        return None
    finally:
        for module, was in training.items():
            module.training = was
    return int(counter.get_total_flops()) // 2
