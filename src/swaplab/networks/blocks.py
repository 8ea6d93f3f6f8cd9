"""Layers that several networks use. Dimensions: n faces, c channels, h and w pixels."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError

Factory = Callable[[int], nn.Module]
"""Builds a layer (a norm, an attention or a mask head) for a number of channels."""


def scaled(channels: int, width: float) -> int:
    """``channels`` times ``width``, rounded to a multiple of 8 (at least 8), so that group norms can divide it.

    Raises UserError for a ``width`` of 0 or less.
    """
    if width <= 0:
        raise UserError(f"width must be above 0, such as 0.25; got {width:g}")
    return max(8, round(channels * width / 8) * 8)


class SameConv2d(nn.Conv2d):
    """Convolution with an output of ceil(side / stride) pixels, padded like TensorFlow's "same": an odd pixel goes to
    the right and bottom.

    Shape: (n, in, h, w) -> (n, out, ceil(h / stride), ceil(w / stride)). ``init`` fills the weight in place; the bias
    starts at 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        bias: bool = True,
        init: Callable[[Tensor], Tensor] = nn.init.xavier_uniform_,
    ) -> None:
        self.init = init
        super().__init__(in_channels, out_channels, kernel, stride, bias=bias)

    def reset_parameters(self) -> None:
        self.init(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] == pads[2] == pads[3]:
            # built-in padding is faster than a padded copy
            return F.conv2d(x, self.weight, self.bias, self.stride, pads[0])
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride)


class Dense(nn.Linear):
    """Linear layer initialised like Keras' Dense: Glorot uniform weight, zero bias. (n, in) -> (n, out)."""

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ConvBlock(nn.Module):
    """Convolution, optional norm, leaky ReLU: (n, in, h, w) -> (n, out, ceil(h / stride), ceil(w / stride)).

    The convolution has no bias if a norm follows: the norm would remove it, and Adam would amplify its rounding noise.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        slope: float,
        norm: Factory | None = None,
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(in_channels, out_channels, kernel, stride=stride, bias=norm is None)
        self.norm = norm(out_channels) if norm else nn.Identity()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), self.slope, inplace=True)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input (He et al. 2016, figure 2): (n, c, h, w) -> same.

    Convolution, optional norm, leaky ReLU, convolution, optional norm, sum, leaky ReLU.
    """

    def __init__(self, channels: int, *, slope: float, norm: Factory | None = None) -> None:
        super().__init__()
        self.block = ConvBlock(channels, channels, kernel=3, stride=1, slope=slope, norm=norm)
        self.conv = SameConv2d(channels, channels, 3, bias=norm is None)
        self.norm = norm(channels) if norm else nn.Identity()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.norm(self.conv(self.block(x))), self.slope)


class Attended(nn.Sequential):
    """A block followed by an attention; site names leave out this wrapper."""

    def __init__(self, block: nn.Module, attention: nn.Module) -> None:
        super().__init__()
        self.attended = block
        self.attention = attention


class Attentions:
    """Adds attention after the blocks that the config names, and records the sites that exist."""

    def __init__(self, attention: Factory | None, wanted: Sequence[str]) -> None:
        self.attention, self.wanted = attention, tuple(wanted)
        self.seen: dict[str, None] = {}

    def behind(self, site: str, block: nn.Module, channels: int) -> nn.Module:
        """The block of ``site``, followed by an attention if the config names the site."""
        self.seen[site] = None
        return Attended(block, self.attention(channels)) if self.attention and site in self.wanted else block
