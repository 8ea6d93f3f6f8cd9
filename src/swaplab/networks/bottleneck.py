"""Bottlenecks between the encoder's last features and the decoder.

Each sets the side at which the encoder stops, the layers of the bottleneck and the shape of its output. All of them
hold ``latent`` numbers, so that they differ in arrangement, not in capacity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import Dense, SameConv2d

SIDE = 4  # side of the map that a vector is expanded to
SLOPE = 0.1

Widths = Callable[[int], int]
"""The number of channels of a map, by its side."""


class Shape(NamedTuple):
    """Shape of a square map: (n, channels, side, side)."""

    channels: int
    side: int


class Layers(NamedTuple):
    """``squeeze``: features -> latent code; ``expand``: latent code -> map."""

    squeeze: nn.Module
    expand: nn.Module


class Bottleneck(Protocol):
    """Interface of a bottleneck: any object with these methods."""

    def reached(self, end: int) -> int:
        """The side at which the encoder stops; without a bottleneck it stops at ``end``."""
        ...

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        """The shape of the output for features of shape ``features``."""
        ...

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        """The layers for features of shape ``features``."""
        ...


class Flattened(Dense):
    """Dense layer on the flattened map: (n, c, h, w) -> (n, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class Pooled(Dense):
    """Dense layer on the mean over all pixels: (n, c, h, w) -> (n, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mean((2, 3)))


class Square(nn.Module):
    """Reshape units to a map: (n, c side side) -> (n, c, side, side)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        square = x.unflatten(1, (-1, self.side, self.side))
        return square.contiguous(memory_format=torch.channels_last)


class Expand(Dense):
    """Dense layer to a map: (n, latent) -> (n, channels, 4, 4)."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__(latent, channels * SIDE**2)
        self.square = Square(SIDE)

    def forward(self, x: Tensor) -> Tensor:
        return self.square(super().forward(x))


class StridedConvs(nn.Module):
    """3x3 convolutions of stride 2 down to one pixel; the last one is linear: (n, c, h, h) -> (n, latent)."""

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
    """A bottleneck without spatial layout: features of any side become a vector, then a map of 4x4 pixels."""

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
    """Only the first dense layer; its units are reshaped to 4x4 pixels (ablation of the 2017 network).

    Raises UserError if 16 does not divide ``latent``.
    """

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        if latent % SIDE**2:
            raise UserError(
                f"generator.latent must be a multiple of {SIDE**2} for generator/bottleneck=fc_single, which reshapes "
                f"it to {SIDE}x{SIDE} pixels; got {latent}"
            )
        return Shape(latent // SIDE**2, SIDE)

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(Flattened(features.channels * features.side**2, latent), Square(SIDE))


@dataclass(frozen=True)
class ConvTo1x1(_ToVector):
    """Strided convolutions down to one pixel instead of the first dense layer (faceswap-GAN's notes, 2018)."""

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(StridedConvs(features, latent), Expand(latent, widths(SIDE)))


@dataclass(frozen=True)
class GlobalPool(_ToVector):
    """Global average pooling (Lin et al. 2014, section 3.2) before the dense layers, which discards positions."""

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        return Layers(Pooled(features.channels, latent), Expand(latent, widths(SIDE)))


@dataclass(frozen=True)
class Spatial:
    """1x1 convolutions through ``latent`` / side² channels (at least 1): the code keeps ``side`` x ``side`` positions.

    The encoder stops where its features have that side; encoder and decoder leave out the coarser stages (ablation of
    the 2017 network). Raises UserError for a side other than 4, 8, 16, or one below that of the encoder's output.
    """

    side: Literal[4, 8, 16] = 8

    def __post_init__(self) -> None:
        if self.side not in (4, 8, 16):
            raise UserError(f"generator.bottleneck.side must be 4, 8 or 16; got {self.side}")

    def reached(self, end: int) -> int:
        if self.side < end:
            raise UserError(
                f"generator.bottleneck.side={self.side} is too small: the encoder stops at {end} pixels; set "
                f"generator.bottleneck.side={end} or generator.downsampling=until_4x4"
            )
        return self.side

    def shape(self, features: Shape, latent: int, widths: Widths) -> Shape:
        return Shape(widths(features.side), features.side)

    def build(self, features: Shape, latent: int, widths: Widths) -> Layers:
        code = max(1, latent // features.side**2)
        return Layers(SameConv2d(features.channels, code, 1), SameConv2d(code, widths(features.side), 1))
