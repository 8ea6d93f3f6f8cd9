"""Bottlenecks: what an encoder's last features pass through before they are decoded.

Each is a small setting: at which side the encoder stops, what shape the features leave in, and the layers between. All
hold ``latent`` numbers, however these are arranged, so that two of them differ in arrangement and not in capacity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import Dense, SameConv2d

SIDE = 4  # of the map that a vector is expanded to
SLOPE = 0.1

Widths = Callable[[int], int]
"""How many channels a map of a side shall have."""


class Shape(NamedTuple):
    """Of a square map: (n, channels, side, side)."""

    channels: int
    side: int


class Layers(NamedTuple):
    """``squeeze``: features -> latent numbers; ``expand``: these -> a map."""

    squeeze: nn.Module
    expand: nn.Module


class Bottleneck(Protocol):
    """Anything with these methods."""

    def reached(self, end: int) -> int:
        """The side at which an encoder stops that would go down to ``end``."""
        ...

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        """The shape in which features of a shape leave."""
        ...

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        """The layers for features of a shape."""
        ...


class Flattened(Dense):
    """Every pixel of every channel into every unit: (n, c, h, w) -> (n, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class Pooled(Dense):
    """The mean over all pixels into every unit: (n, c, h, w) -> (n, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mean((2, 3)))


class Square(nn.Module):
    """Units as a map: (n, c side side) -> (n, c, side, side)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        square = x.unflatten(1, (-1, self.side, self.side))
        return square.contiguous(memory_format=torch.channels_last)


class Expand(Dense):
    """Every unit into every pixel: (n, latent) -> (n, channels, 4, 4)."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__(latent, channels * SIDE**2)
        self.square = Square(SIDE)

    def forward(self, x: Tensor) -> Tensor:
        return self.square(super().forward(x))


class StridedConvs(nn.Module):
    """3x3 convolutions of stride 2 down to one pixel, the last one linear: (n, c, h, h) -> (n, latent)."""

    def __init__(self, features: Shape, latent: int) -> None:
        super().__init__()
        steps = (features.side - 1).bit_length()
        self.convs = nn.Sequential()
        for i in range(1, steps + 1):
            out = latent if i == steps else features.channels
            self.convs.add_module(f"conv{i}", SameConv2d(features.channels, out, 3, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(F.leaky_relu(x, SLOPE) if i else x)
        return x.flatten(1)


class _ToVector:
    """A bottleneck whose code has no place: the encoder's features of any side become a vector, then 4x4 pixels."""

    def reached(self, end: int) -> int:
        return end

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        return Shape(widths(SIDE), SIDE)


@dataclass(frozen=True)
class FullyConnected(_ToVector):
    """Two dense layers without a non-linearity, ``latent`` units between them (deepfakes, December 2017)."""

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(Flattened(features.channels * features.side**2, latent), Expand(latent, widths(SIDE)))


@dataclass(frozen=True)
class FullyConnectedSingle(_ToVector):
    """The first dense layer alone: its units are put into 4x4 pixels as they come (ablation of the 2017 network).

    Raises UserError if 16 does not divide ``latent``.
    """

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        if latent % SIDE**2:
            raise UserError(
                f"bottleneck fc_single puts generator.latent={latent} numbers into {SIDE}x{SIDE} pixels; "
                f"choose a multiple of {SIDE**2}"
            )
        return Shape(latent // SIDE**2, SIDE)

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(Flattened(features.channels * features.side**2, latent), Square(SIDE))


@dataclass(frozen=True)
class ConvTo1x1(_ToVector):
    """Strided convolutions down to one pixel in place of the first dense layer (faceswap-GAN's notes, 2018)."""

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(StridedConvs(features, latent), Expand(latent, widths(SIDE)))


@dataclass(frozen=True)
class GlobalPool(_ToVector):
    """Global average pooling (Lin et al. 2014, section 3.2) before the dense layers: where a feature was is lost."""

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(Pooled(features.channels, latent), Expand(latent, widths(SIDE)))


@dataclass(frozen=True)
class Spatial:
    """1x1 convolutions through ``latent`` / side² channels (at least one): the code keeps ``side`` x ``side`` places.

    The encoder stops where its features have that side; coarser stages are left out of encoder and decoder (ablation
    of the 2017 network). Raises UserError for other sides than 4, 8, 16, and for one the encoder does not come down to.
    """

    side: Literal[4, 8, 16] = 8

    def __post_init__(self) -> None:
        if self.side not in (4, 8, 16):
            raise UserError(f"bottleneck.side={self.side} is not known; choose 4, 8 or 16")

    def reached(self, end: int) -> int:
        if self.side < end:
            raise UserError(
                f"bottleneck.side={self.side} is not reached: the encoder stops at {end} pixels; choose "
                f"bottleneck.side={end} or generator.downsampling=until_4x4"
            )
        return self.side

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        return Shape(widths(features.side), features.side)

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        code = max(1, latent // features.side**2)
        return Layers(SameConv2d(features.channels, code, 1), SameConv2d(code, widths(features.side), 1))
