"""Blocks that double the side of a map: (n, in, h, w) -> (n, out, 2h, 2w).

Each is built as ``upsampling(in_channels, out_channels, slope=..., norm=...)`` and has one convolution, an optional
norm and a leaky ReLU.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import ConvBlock, Factory

Upsampling = Callable[..., nn.Module]


def icnr_uniform_(weight: Tensor) -> Tensor:
    """Fill (4 out, in, k, k) in place so that the four sub-pixels of a pixel start equal (Aitken et al. 2017).

    Each output channel gets one kernel, Glorot uniform for its own shape, copied to its four sub-pixels.
    """
    kernel = nn.init.xavier_uniform_(torch.empty_like(weight[::4]))
    with torch.no_grad():
        return weight.copy_(kernel.repeat_interleave(4, 0))


class PixelShuffle(nn.Module):
    """Sub-pixel convolution (Shi et al. 2016, equation 4): a 3x3 convolution to four times the channels, then a pixel
    shuffle.

    ``icnr``: start as nearest-neighbour upsampling, which avoids checkerboard artefacts (Aitken et al. 2017).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, slope: float, norm: Factory | None = None, icnr: bool = False
    ) -> None:
        super().__init__()
        self.block = ConvBlock(in_channels, 4 * out_channels, kernel=3, stride=1, slope=slope, norm=norm)
        if icnr:
            self.block.conv.init = icnr_uniform_
            self.block.conv.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.block(x), 2)


class InterpolatedConv(nn.Module):
    """Resize, then a 3x3 convolution, which treats all pixels alike (Odena et al. 2016, resize-convolution).

    ``mode``: nearest, or bilinear with half-pixel centres.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        slope: float,
        norm: Factory | None = None,
        mode: Literal["nearest", "bilinear"] = "nearest",
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "bilinear"):
            raise UserError(f"generator.upsampling.mode must be nearest or bilinear; got {mode}")
        self.block = ConvBlock(in_channels, out_channels, kernel=3, stride=1, slope=slope, norm=norm)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return self.block(F.interpolate(x, scale_factor=2, mode=self.mode))


class GlorotConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution of stride 2 with Glorot uniform weights and zero bias: side h -> 2h."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, bias: bool) -> None:
        odd = kernel % 2
        super().__init__(
            in_channels, out_channels, kernel, 2, padding=(kernel - 2 + odd) // 2, output_padding=odd, bias=bias
        )

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class TransposedConv(nn.Module):
    """Transposed convolution of stride 2 (DCGAN: Radford et al. 2016).

    ``kernel`` 4 covers every output pixel equally often; 3 does not and leaves a checkerboard (Odena et al. 2016).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        slope: float,
        norm: Factory | None = None,
        kernel: Annotated[int, Field(ge=2, le=16)] = 4,
    ) -> None:
        super().__init__()
        if kernel < 2:
            raise UserError(f"generator.upsampling.kernel must be at least 2, or pixels stay empty; got {kernel}")
        self.conv = GlorotConvTranspose2d(in_channels, out_channels, kernel, bias=norm is None)
        self.norm = norm(out_channels) if norm else nn.Identity()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), self.slope, inplace=True)
