"""Decoders like StyleGAN2: the code scales the channels of the convolutions; it is not their input."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from swaplab.networks.blocks import Dense, SameConv2d
from swaplab.networks.bottleneck import Shape
from swaplab.networks.decoder import DecoderPlan, Painter, PerIdentity, stage_name
from swaplab.networks.draws import Draws
from swaplab.networks.protocols import SwapOutput

SLOPE = 0.2


class ModulatedConv2d(nn.Module):
    """Convolution whose input channels are scaled per sample and whose outputs are rescaled to unit variance
    (StyleGAN2: Karras et al. 2020, equations 1 to 3).

    Shape: (n, in, h, w), style (n, in) -> (n, out, h, w). The variance is 1 for independent inputs of variance 1. One
    common convolution, scaled before and after, equals one kernel per sample.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = SameConv2d(in_channels, out_channels, kernel, bias=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        with parametrize.cached():  # the weight is read twice; compute its normalisation once
            scale = torch.rsqrt(torch.square(style) @ torch.square(self.conv.weight).sum((2, 3)).t() + 1e-8)
            return self.conv(x * style[:, :, None, None]) * scale[:, :, None, None]


class Style(Dense):
    """Affine map to the scales of a layer's channels, initially 1 on average: (n, style) -> (n, channels)."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.ones_(self.bias)


class NoiseInput(nn.Module):
    """One map of white noise per face, added to all channels with a learned strength that starts at 0 (StyleGAN: Karras
    et al. 2019, section 2). It is keyed by the face; outside a training step there is none.

    Shape: (n, c, h, w) -> same.
    """

    draws: Draws | None

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))
        self.draws = None

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.strength)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.draws is None else x + self.strength * self.draws.normal(x[:, :1]).to(x.dtype)


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU: (n, in, h, w), style (n, s) -> (n, out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int, style: int) -> None:
        super().__init__()
        self.style = Style(style, in_channels)
        self.modulated = ModulatedConv2d(in_channels, out_channels, 3)
        self.noise = NoiseInput()
        self.bias = nn.Parameter(torch.zeros(1, out_channels, 1, 1))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = self.noise(self.modulated(x, self.style(style))) + self.bias
        # restores the half of the variance that a leaky ReLU removes; the next layer relies on it
        return F.leaky_relu(x, SLOPE) * math.sqrt(2)


class Constant(nn.Module):
    """A learned constant map, the start of synthesis for every face: n -> (n, *shape)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.empty(1, shape.channels, shape.side, shape.side))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.map)

    def forward(self, n: int) -> Tensor:
        return self.map.expand(n, -1, -1, -1).contiguous(memory_format=torch.channels_last)


class StyleStage(nn.Module):
    """Bilinear doubling and two styled convolutions: (n, in, h, w), style (n, s) -> (n, out, 2h, 2w)."""

    def __init__(self, in_channels: int, out_channels: int, style: int) -> None:
        super().__init__()
        self.first = StyledConv(in_channels, out_channels, style)
        self.second = StyledConv(out_channels, out_channels, style)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        doubled = F.interpolate(x, scale_factor=2, mode="bilinear")
        return self.second(self.first(doubled, style), style)


class StyleDecoder(Painter):
    """Styled convolutions on a learned constant map: (n, *plan.code) -> colours and alpha in [0, 1].

    The style is the code's mean over its pixels, mapped by two dense layers.
    """

    def __init__(self, plan: DecoderPlan) -> None:
        super().__init__(plan)
        channels = plan.code.channels
        self.mapping = nn.Sequential(
            Dense(channels, channels), nn.LeakyReLU(SLOPE), Dense(channels, channels), nn.LeakyReLU(SLOPE)
        )
        self.constant = Constant(plan.code)
        self.first = StyledConv(channels, channels, channels)
        self.up, self.behind = nn.ModuleDict(), nn.ModuleDict()
        before = channels
        for side in plan.sides(plan.code.side):
            name, out = stage_name(side), plan.widths(2 * side)
            self.up[name] = StyleStage(before, out, channels)
            self.behind[name] = plan.attentions.behind(f"decoder.{name}", nn.Identity(), out)
            before = out

    def forward(self, code: Tensor) -> SwapOutput:
        pooled = code.mean((2, 3))
        style = self.mapping(pooled * torch.rsqrt(torch.square(pooled).mean(1, keepdim=True) + 1e-8))
        x = self.first(self.constant(len(code)), style)
        for name, stage in self.up.items():
            x = self.behind[name](stage(x, style))
        return self.paint(x)


class StyleDecoders(PerIdentity):
    """One style-based decoder per identity: modulated convolutions with noise inputs, controlled by the shared code
    (StyleGAN2: Karras et al. 2020, section 2.2).

    Each has 6,198,154 parameters at ``width=1`` and 64 pixels; the 2017 decoder has 6,199,747. It brings its own
    normalisation and upsampling; ``norm`` and ``upsampling`` in the config apply to the encoder and residual blocks.
    """

    def one(self, plan: DecoderPlan) -> StyleDecoder:
        return StyleDecoder(plan)
