"""Exponential moving average (EMA) of a network, with a half-life in images."""

import copy

import torch
from torch import Tensor, nn

from swaplab.networks.statistics import tracking


def ema_decay(images: int, images_seen: int, half_life: float, ramp: float) -> float:
    """The weight of the old average after ``images`` more images; 0 at the first image.

    The half-life is ``ramp * images_seen``, at most ``half_life``, so that the initial weights are forgotten (Karras et
    al. 2020, StyleGAN2-ADA code).
    """
    effective = min(half_life, ramp * images_seen)
    return 0.5 ** (images / effective) if effective > 0 else 0.0


class EMA:
    """An average of the parameters and running statistics of ``network``; all other buffers are copied.

    Averaged weights need averaged statistics, because the current ones belong to other weights. The averaged
    ``self.network`` is in eval mode and has no gradients.
    """

    def __init__(self, network: nn.Module, half_life: float, ramp: float = 0.05) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life, self.ramp = half_life, ramp
        self._statistics = {
            f"{path}.{name}".lstrip(".")
            for path, layer in tracking(network).items()
            for name, buffer in layer.named_buffers(recurse=False)
            if buffer.is_floating_point()
        }

    @torch.no_grad()
    def follow(self, network: nn.Module, images: int, images_seen: int) -> None:
        """Update the average with ``network`` for ``images`` more images, after ``images_seen``."""
        decay = ema_decay(images, images_seen, self.half_life, self.ramp)
        averages: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(averages, list(network.parameters()), 1 - decay)
        for (name, average), buffer in zip(self.network.named_buffers(), network.buffers(), strict=True):
            if name in self._statistics:
                average.lerp_(buffer, 1 - decay)
            else:
                average.copy_(buffer)
