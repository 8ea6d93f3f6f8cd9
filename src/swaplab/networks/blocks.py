"""Layers that several networks are made of. Dimensions: n faces, c channels, h and w pixels."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError

Factory = Callable[[int], nn.Module]
"""Builds a layer for a number of channels: how normalisations and attentions are handed into networks."""


def scaled(channels: int, width: float) -> int:
    """``channels`` times ``width``, rounded to a multiple of 8 (at least 8), which norms by groups can divide.

    UserError for a ``width`` of 0 or less.
    """
    if width <= 0:
        raise UserError(f"width={width:g} cannot be; it multiplies channels, so give a number above 0, such as 0.25")
    return max(8, round(channels * width / 8) * 8)


class SameConv2d(nn.Conv2d):
    """Convolution whose output has ceil(side / stride) pixels, padded as TensorFlow's "same": the odd pixel goes right
    and below.

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
            # the convolution pads faster by itself than by a copy
            return F.conv2d(x, self.weight, self.bias, self.stride, pads[0])
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride)


class Dense(nn.Linear):
    """Linear layer that starts as Keras' Dense: Glorot uniform weight, zero bias. (n, in) -> (n, out)."""

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ConvBlock(nn.Module):
    """Convolution, normalisation if any, leaky ReLU: (n, in, h, w) -> (n, out, ceil(h / stride), ceil(w / stride)).

    The convolution has no bias where a normalisation follows: the mean would remove it, and Adam would amplify its
    rounding noise.
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

    Convolution, norm if any, leaky ReLU, convolution, norm if any, sum, leaky ReLU.
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
    """A block followed by an attention of its width; the wrapper's name is no part of a site."""

    def __init__(self, block: nn.Module, attention: nn.Module) -> None:
        super().__init__()
        self.attended = block
        self.attention = attention


class Attentions:
    """Puts attention behind the blocks that the config names, and knows in the end whether all of them were there."""

    def __init__(self, attention: Factory | None, wanted: Sequence[str]) -> None:
        self.attention, self.wanted = attention, tuple(wanted)
        self.seen: dict[str, None] = {}

    def behind(self, site: str, block: nn.Module, channels: int) -> nn.Module:
        """The block that stands at ``site``, with the attention if it is wanted there."""
        self.seen[site] = None
        return Attended(block, self.attention(channels)) if self.attention and site in self.wanted else block
