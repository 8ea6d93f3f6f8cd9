"""Kernels with their own L2 penalty, like Keras' ``kernel_regularizer`` on single layers."""

import math

from torch import Tensor, nn
from torch.nn.utils import parametrize

from swaplab.networks.blocks import SameConv2d


def he_normal(weight: Tensor) -> Tensor:
    """Fill in place like Keras 2.1: normal with variance 2 / fan_in (He et al. 2015, equation 10), truncated at two
    standard deviations without correction, which leaves 0.88 of the standard deviation."""
    deviation = math.sqrt(2 / weight[0].numel())
    return nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation)


class RegularisedConv2d(SameConv2d):
    """Convolution whose kernel, but not its bias, is penalised in a network with an ``l2``."""


def regularised_kernels(network: nn.Module) -> list[nn.Parameter]:
    """The penalised kernels of a network, each once; for a parametrised layer, the original tensor."""
    kernels: list[nn.Parameter] = []
    for module in network.modules():
        if isinstance(module, RegularisedConv2d):
            own = module.parametrizations.weight.original if parametrize.is_parametrized(module) else module.weight  # type: ignore[union-attr]
            kernels.append(own)  # type: ignore[arg-type]
    return kernels
