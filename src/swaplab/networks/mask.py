"""Mask heads: how a decoder's last features become an alpha in [0, 1]."""

import torch
from torch import Tensor, nn

from swaplab.networks.blocks import SameConv2d


class LearnedMask(nn.Module):
    """Alpha from the decoder's own features (faceswap-GAN v2): 5x5 convolution and a sigmoid.

    Shape: (n, channels, R, R) -> (n, 1, R, R).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SameConv2d(channels, 1, 5)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(features))
