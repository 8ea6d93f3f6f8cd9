"""What one swapped face costs in arithmetic."""

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from swaplab.networks.generator import Generator, swapped


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
    """Multiply-accumulates of swapping one face (1, 3, R, R): encoding, matching the code, decoding with its mask.

    Counted from shapes alone, nothing is computed: convolutions and matrix products, attention among them, as half of
    what torch counts as floating-point operations; not what is done element by element (normalisation, activation).
    The module is left as it was. None for a generator whose path depends on values.
    """
    whole = _Face(generator)
    named = (*whole.named_parameters(), *whole.named_buffers())
    training = {module: module.training for module in generator.modules()}
    counter: Any = FlopCounterMode(display=False)
    generator.eval()
    try:
        # the fused attention of CPUs is unknown to the counter; written out it is two products
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
