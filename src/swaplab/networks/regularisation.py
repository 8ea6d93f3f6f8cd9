"""Kernels with an L2 penalty of their own, as Keras' ``kernel_regularizer`` puts it on single layers."""

import math

from torch import Tensor, nn
from torch.nn.utils import parametrize

from swaplab.networks.blocks import SameConv2d


def he_normal(weight: Tensor) -> Tensor:
    """Fill in place as Keras 2.1 did: normal of variance 2 / fan_in (He et al. 2015, equation 10), cut at two
    deviations and not corrected for the cut, so that 0.88 of the deviation is left."""
    deviation = math.sqrt(2 / weight[0].numel())
    return nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation)


class RegularisedConv2d(SameConv2d):
    """Convolution whose kernel is penalised in a network that has an ``l2``; its bias is not."""


def regularised_kernels(network: nn.Module) -> list[nn.Parameter]:
    """The penalised kernels of a network, each once; of a parametrised layer the original tensor."""
    kernels: list[nn.Parameter] = []
    for module in network.modules():
        if isinstance(module, RegularisedConv2d):
            own = module.parametrizations.weight.original if parametrize.is_parametrized(module) else module.weight  # type: ignore[union-attr]
            kernels.append(own)  # type: ignore[arg-type]
    return kernels
