"""Learned masks: heads that turn features or a code into an alpha in [0, 1]."""

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
    """Alpha from the decoder's features (faceswap-GAN v2): a 5x5 convolution and a sigmoid.

    Shape: (n, channels, R, R) -> (n, 1, R, R).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SameConv2d(channels, 1, 5)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(features))


class SeparateMask(nn.Module):
    """Alpha from a separate trunk per identity that shares only the code with the colours, as the control for
    faceswap-GAN v2's shared trunk.

    Works with any generator, as its ``mask_network``; the blocks are those of the 2017 decoder. ``shape`` (c, h, w): of
    one code. Strided 5x5 convolutions reduce a larger code to 8 pixels; upscales then double it up to ``resolution``.
    ``width`` multiplies the channels: 256 up to 8 pixels, halved at each doubling. Raises UserError if the code is not
    a square map that reaches ``resolution`` by doubling.
    """

    def __init__(self, identities: Sequence[str], shape: Sequence[int], *, resolution: int, width: Width = 0.5) -> None:
        super().__init__()
        sides = [shape[-1] * 2**i for i in range(16) if len(shape) == 3]
        if resolution not in sides:
            raise UserError(
                f"a separate mask doubles the code's map up to {resolution} pixels; a code of shape {tuple(shape)} "
                f"does not reach that size; set mask=learned"
            )
        self.trunks = nn.ModuleDict({name: _trunk(shape, resolution, width) for name in identities})

    def forward(self, code: Tensor, target: str) -> Tensor:
        """Alpha (n, 1, R, R) in [0, 1] for codes (n, c, h, w) decoded as ``target``."""
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
