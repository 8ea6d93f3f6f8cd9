"""Masks that are learned: how features, or a code, become an alpha in [0, 1]."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import ConvBlock, SameConv2d, scaled
from swaplab.networks.upsampling import PixelShuffle
from swaplab.ranges import Width

SLOPE = 0.1
_SIDE = 8


class LearnedMask(nn.Module):
    """Alpha from the decoder's own features (faceswap-GAN v2): 5x5 convolution and a sigmoid.

    Shape: (n, channels, R, R) -> (n, 1, R, R).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SameConv2d(channels, 1, 5)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(features))


class SeparateMask(nn.Module):
    """Alpha from a trunk of its own, one an identity, that shares nothing with the colours but the code (the control to
    faceswap-GAN v2's shared trunk; the blocks are those of the 2017 decoder).

    It belongs to a generator of any kind as its ``mask_network``. ``shape`` (c, h, w) is that of one code. Strided 5x5
    convolutions bring a larger code down to 8 pixels, upscales take it to ``resolution``; ``width`` multiplies the
    channels, 256 up to 8 pixels and half of it for each doubling. Raises UserError for a code without a height, or one
    that doubling does not take to the resolution.
    """

    def __init__(self, identities: Sequence[str], shape: Sequence[int], *, resolution: int, width: Width = 0.5) -> None:
        super().__init__()
        sides = [shape[-1] * 2**i for i in range(16) if len(shape) == 3]
        if resolution not in sides:
            raise UserError(
                f"a separate mask grows from a code's map to {resolution} pixels by doubling, which a code of "
                f"{tuple(shape)} does not allow; set mask=learned"
            )
        self.trunks = nn.ModuleDict({name: _trunk(shape, resolution, width) for name in identities})

    def forward(self, code: Tensor, target: str) -> Tensor:
        """Alpha (n, 1, R, R) in [0, 1] of the faces of ``target`` that a code (n, c, h, w) stands for."""
        alpha: Tensor = self.trunks[target](code)
        return alpha


def _trunk(shape: Sequence[int], resolution: int, width: float) -> nn.Sequential:
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    channels, side = shape[0], shape[-1]

    def wide(side: int) -> int:
        return scaled(min(256, 256 * _SIDE // side), width)

    while side > _SIDE:
        side //= 2
        blocks[f"down{side}"] = ConvBlock(channels, wide(side), kernel=5, stride=2, slope=SLOPE)
        channels = wide(side)
    while side < resolution:
        side *= 2
        blocks[f"up{side}"] = PixelShuffle(channels, wide(side), slope=SLOPE)
        channels = wide(side)
    return nn.Sequential(blocks | {"head": LearnedMask(channels)})
