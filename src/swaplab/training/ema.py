"""Exponential moving average of a network, with a half-life counted in images."""

import copy

import torch
from torch import Tensor, nn

from swaplab.networks.statistics import tracking


def ema_decay(images: int, images_seen: int, half_life: float, ramp: float) -> float:
    """How much of the average survives ``images`` more images.

    The half-life grows as ``ramp * images_seen`` until ``half_life`` is reached, so that the start is forgotten
    (Karras et al. 2020, StyleGAN2-ADA code). 0 at the first image.
    """
    effective = min(half_life, ramp * images_seen)
    return 0.5 ** (images / effective) if effective > 0 else 0.0


class EMA:
    """A copy of ``network`` whose parameters and running statistics follow it; all other buffers are copied.

    Running statistics are those of what the weights made. So averaged weights go with averaged statistics: those of the
    live network would be of weights that this one does not have. ``network`` is in eval mode and without gradients.
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
        """Move towards ``network`` by ``images`` images, after ``images_seen`` in all."""
        decay = ema_decay(images, images_seen, self.half_life, self.ramp)
        averages: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(averages, list(network.parameters()), 1 - decay)
        for (name, average), buffer in zip(self.network.named_buffers(), network.buffers(), strict=True):
            if name in self._statistics:
                average.lerp_(buffer, 1 - decay)
            else:
                average.copy_(buffer)
