"""The networks of faceswap-GAN v1 and v2 (December 2017 to early 2018): 64 pixels, no norm, attention or L2 penalty."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import Dense, Factory, SameConv2d, scaled
from swaplab.networks.protocols import SwapOutput
from swaplab.ranges import Latent, Share, Width

RESOLUTION = 64
_CODE, _CODE_SIDE = 512, 4  # channels of the code at width 1; side of the map between the dense layers


def _kernel(published: int) -> Callable[[Tensor], Tensor]:
    """Initialiser: N(0, 0.02) for a layer with ``published`` input channels, as in the original.

    With fewer channels the standard deviation grows, so that the output keeps its scale. No norm would correct it: over
    all layers, the outputs of a network of 3/16 of the width would shrink to a thousandth.
    """

    def fill(weight: Tensor) -> Tensor:
        return nn.init.normal_(weight, 0.0, 0.02 * math.sqrt(published / weight.shape[1]))

    return fill


class ConvBlock(nn.Module):
    """Strided convolution without bias and a leaky ReLU: (n, in, h, w) -> (n, out, h / 2, w / 2).

    ``published``, here and below: input channels of the original layer."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, slope: float, published: int) -> None:
        super().__init__()
        self.conv = SameConv2d(in_channels, out_channels, kernel, stride=2, bias=False, init=_kernel(published))
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), self.slope)


class Upscale(nn.Module):
    """3x3 convolution without bias, leaky ReLU 0.1, pixel shuffle: (n, in, h, w) -> (n, out, 2h, 2w)."""

    def __init__(self, in_channels: int, out_channels: int, published: int) -> None:
        super().__init__()
        self.conv = SameConv2d(in_channels, 4 * out_channels, 3, bias=False, init=_kernel(published))

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.leaky_relu(self.conv(x), 0.1), 2)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without bias around a leaky ReLU 0.2, added to the input, then another leaky ReLU 0.2."""

    def __init__(self, channels: int, published: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            SameConv2d(channels, channels, 3, bias=False, init=_kernel(published)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), 0.2)) + x, 0.2)


class Encoder(nn.Module):
    """Linear stem, four strided blocks, two dense layers, one upscale: (n, 3, 64, 64) in [-1, 1] -> (n, c, 8, 8)."""

    def __init__(self, width: float, latent: int, slope: float) -> None:
        super().__init__()
        published = (64, 128, 256, 512, 1024)
        widths = [scaled(c, width) for c in published]
        self.stem = SameConv2d(3, widths[0], 5, bias=False, init=_kernel(3))
        blocks = (
            (f"down{i}", ConvBlock(widths[i - 1], widths[i], kernel=3, slope=slope, published=published[i - 1]))
            for i in range(1, len(widths))
        )
        self.down = nn.Sequential(OrderedDict(blocks))
        self.top = widths[-1]
        self.squeeze = Dense(self.top * _CODE_SIDE**2, latent)
        self.expand = Dense(latent, self.top * _CODE_SIDE**2)
        self.up = Upscale(self.top, scaled(_CODE, width), published[-1])

    def forward(self, x: Tensor) -> Tensor:
        latent = self.squeeze(self.down(self.stem(x)).flatten(1))
        square = self.expand(latent).unflatten(1, (self.top, _CODE_SIDE, _CODE_SIDE))
        return self.up(square.contiguous(memory_format=torch.channels_last))


class Decoder(nn.Module):
    """Code (n, c, 8, 8) -> colours in [0, 1] and alpha of a mask head: three upscales, two residual blocks.

    Only the heads start with Keras' default, Glorot uniform."""

    def __init__(self, width: float, mask: Factory | None) -> None:
        super().__init__()
        published = (_CODE, 256, 128, 64)
        widths = [scaled(c, width) for c in published]
        blocks: OrderedDict[str, nn.Module] = OrderedDict(
            (f"up{i}", Upscale(widths[i - 1], widths[i], published[i - 1])) for i in range(1, len(widths))
        )
        blocks |= {f"residual{i}": ResidualBlock(widths[-1], published[-1]) for i in (1, 2)}
        self.up = nn.Sequential(blocks)
        self.colour = SameConv2d(widths[-1], 3, 5)
        self.mask = mask(widths[-1]) if mask else None

    def forward(self, code: Tensor) -> SwapOutput:
        features = self.up(code)
        raw = (torch.tanh(self.colour(features)) + 1) / 2
        return SwapOutput(raw, self.mask(features) if self.mask else None)


class FaceswapGANV1(nn.Module):
    """Generator of faceswap-GAN v1 (December 2017); with a ``mask``, that of the first v2 with alpha (January 2018).

    Faces in and out: (n, 3, 64, 64) in [0, 1]; inside, [-1, 1] and tanh. Without a mask, the encoder has 58,717,888
    parameters and each decoder 6,345,411, as in the original. ``slope``: negative slope of the encoder's ReLUs, 0 in
    v1, 0.2 in the v2 notebooks. Raises UserError for a resolution other than 64.
    """

    shared_encoder = True

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int = RESOLUTION,
        width: Width = 1.0,
        latent: Latent = 1024,
        slope: Share = 0.0,
        mask: Factory | None = None,
    ) -> None:
        super().__init__()
        _check_resolution(resolution, "generator")
        self.identities = tuple(identities)
        self.encoder = Encoder(width, latent, slope)
        self.decoders = nn.ModuleDict({name: Decoder(width, mask) for name in self.identities})

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The code (n, 512 width, 8, 8) of faces (n, 3, 64, 64) of any identity."""
        return self.encoder(faces * 2 - 1)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """A code decoded as ``target``."""
        return self.decoders[target](code)


class FaceswapGANV1Discriminator(nn.Module):
    """Discriminators of faceswap-GAN v1 (December 2017): one per identity, 8x8 scores in [0, 1] by a sigmoid.

    662,528 parameters each where it sees only the face; with ``conditional`` (v2) it also sees the generator's input.
    ``sigmoid=false`` gives linear scores, as a Wasserstein critic needs. Raises UserError for a resolution other than
    64.
    """

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int = RESOLUTION,
        width: Width = 1.0,
        conditional: bool = False,
        sigmoid: bool = True,
    ) -> None:
        super().__init__()
        _check_resolution(resolution, "discriminator")
        self.conditional, self.sigmoid = conditional, sigmoid
        self.patches = nn.ModuleDict({name: _patches(6 if conditional else 3, width) for name in identities})

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, 1, 8, 8) of faces (n, 3, 64, 64) as ``identity``."""
        seen = torch.cat([faces, condition], 1) if self.conditional else faces
        scores: Tensor = self.patches[identity](seen * 2 - 1)
        return torch.sigmoid(scores) if self.sigmoid else scores


def _patches(seen: int, width: float) -> nn.Sequential:
    published = (seen, 64, 128, 256)
    widths = [seen, *(scaled(c, width) for c in published[1:])]
    blocks: OrderedDict[str, nn.Module] = OrderedDict(
        (f"down{i}", ConvBlock(widths[i - 1], widths[i], kernel=4, slope=0.2, published=published[i - 1]))
        for i in range(1, len(widths))
    )
    blocks["score"] = SameConv2d(widths[-1], 1, 4, bias=False, init=_kernel(published[-1]))
    return nn.Sequential(blocks)


def _check_resolution(resolution: int, kind: str) -> None:
    if resolution != RESOLUTION:
        raise UserError(f"data.resolution must be {RESOLUTION} for {kind}=faceswap_gan_v1; got {resolution}")
