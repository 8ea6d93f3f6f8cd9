"""Normalisation layers, each built for a number of channels."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from swaplab.collectives import stacked, world_size
from swaplab.networks.regularisation import RegularisedConv2d, he_normal
from swaplab.ranges import Count, Positive


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu & He 2018, section 3): statistics per sample, independent of batch size and ranks.

    Shape: (n, channels, h, w) -> same; before the affine map, each group of a sample has mean 0 and variance 1.
    ``affine``: see `InstanceNorm`. Raises ValueError if ``groups`` does not divide ``channels``.
    """

    def __init__(self, channels: int, *, groups: Count = 8, eps: Positive = 1e-5, affine: bool = True) -> None:
        if channels % groups:
            raise ValueError(f"norm.groups={groups} must divide the number of channels, {channels}")
        super().__init__(groups, channels, eps, affine)


class LayerNorm(nn.GroupNorm):
    """Layer normalisation (Ba et al. 2016, section 3) over all channels and pixels of a sample, affine per channel.

    Shape: (n, channels, h, w) -> same.
    """

    def __init__(self, channels: int, *, eps: Positive = 1e-5, affine: bool = True) -> None:
        super().__init__(1, channels, eps, affine)


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation (Ulyanov et al. 2016, equation 4) of each channel of each sample, affine per channel.

    Shape: (n, channels, h, w) -> same. Faceswap-GAN's ``layernorm`` is this with eps 1e-6 after convolutions, and
    groups of four channels before a pixel shuffle. ``affine``: learn gains and biases; CycleGAN does not.
    """

    def __init__(self, channels: int, *, eps: Positive = 1e-5, affine: bool = True) -> None:
        super().__init__(channels, channels, eps, affine)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe & Szegedy 2015, algorithm 1) over the faces of this rank.

    Shape: (n, channels, h, w) -> same. ``momentum``: the weight of the newest batch in the running statistics.
    """

    def __init__(
        self,
        channels: int,
        *,
        momentum: Annotated[float, Field(gt=0, le=1)] = 0.1,
        eps: Positive = 1e-5,
        affine: bool = True,
    ) -> None:
        super().__init__(channels, eps, momentum, affine)


class SyncBatchNorm(BatchNorm):
    """Batch normalisation over the faces of all ranks, equal to plain batch normalisation of the whole batch.

    Shape: (n, channels, h, w) -> same; ranks may hold unequal numbers of faces. Ranks exchange (mean, variance, count)
    in one collective per forward and one per backward pass, with any backend, and merge them (Chan et al. 1979) in
    float32 or wider. Twice differentiable. On one rank and at inference it is `BatchNorm`. In train mode, all ranks
    must make the same forward passes.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        mean, variance = self._moments(wide)
        gain = (variance + self.eps).rsqrt()
        if self.affine:
            gain = gain * self.weight
        y = (wide - mean[:, None, None]) * gain[:, None, None]
        return (y + self.bias[:, None, None] if self.affine else y).to(x.dtype)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and population variance (channels,) over the pixels of all ranks; updates the running statistics."""
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        ranks = stacked(torch.cat([mean, variance, x.new_full((1,), x.numel() / x.shape[1])]))
        means, variances, counts = ranks.split([x.shape[1], x.shape[1], 1], 1)
        total = counts.sum()
        shares = counts / total
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean).square())).sum(0)
        if self.track_running_stats:
            self._follow(mean, variance, total)
        return mean, variance

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics with a batch's mean and unbiased variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), momentum)


class ScalarLayerNorm(nn.Module):
    """What faceswap-GAN v2.2 calls ``instancenorm``: (x - mean) / (deviation + eps) over all channels and pixels of a
    sample, with one gain and one bias.

    Shape: (n, channels, h, w) -> same. ``eps`` is added to the population standard deviation, not to the variance.
    """

    def __init__(self, channels: int, *, eps: Positive = 1e-3) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(1))
        self.bias = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        deviation, mean = torch.std_mean(wide, (1, 2, 3), correction=0, keepdim=True)
        return ((wide - mean) / (deviation + self.eps) * self.weight + self.bias).to(x.dtype)


class AffineOnly(nn.Module):
    """What ``batchnorm`` of faceswap-GAN v2.2 effectively did: gain * x / sqrt(1 + eps) + bias per channel.

    Its moving statistics were never updated and its training ran in inference mode, so it always normalised by mean 0
    and variance 1. Shape: (n, channels, h, w) -> same.
    """

    def __init__(self, channels: int, *, eps: Positive = 1e-3) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        gain = self.weight / math.sqrt(1 + self.eps)
        return x * gain[:, None, None] + self.bias[:, None, None]


class HybridNorm(nn.Module):
    """``hybrid`` of faceswap-GAN v2.2 (default of its Colab demo): a 1x1 convolution of the first channels, a
    `ScalarLayerNorm` of the others.

    Shape: (n, channels, h, w) -> same. ``convolved``: the number of convolved channels (None: half of them).
    """

    def __init__(
        self, channels: int, *, convolved: Annotated[int, Field(ge=0)] | None = None, eps: Positive = 1e-3
    ) -> None:
        super().__init__()
        first = channels // 2 if convolved is None else convolved
        self.sizes = (first, channels - first)
        self.conv = RegularisedConv2d(first, first, 1, init=he_normal)
        self.norm = ScalarLayerNorm(channels - first, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        first, others = x.split(self.sizes, 1)
        return torch.cat([self.conv(first), self.norm(others)], 1)
