"""The networks of faceswap-GAN v2.2: a shared encoder, a decoder and a conditional discriminator per identity."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.attention import attended
from swaplab.networks.blocks import Dense, Factory, SameConv2d, scaled
from swaplab.networks.norm import HybridNorm
from swaplab.networks.protocols import SwapOutput
from swaplab.networks.regularisation import RegularisedConv2d, he_normal
from swaplab.ranges import Latent, NotNegative, Width

SLOPE = 0.2
RESOLUTIONS = (64, 128, 256)
CAPACITIES = {"standard": 1, "lite": 2}
_CODE_SIDE = 4


@torch.no_grad()
def icnr(weight: Tensor) -> Tensor:
    """Fill in place from N(0, 0.02), with the same kernel for the four sub-pixels of each output channel of
    `depth_to_space` (Aitken et al. 2017)."""
    kernel = nn.init.normal_(torch.empty_like(weight[: len(weight) // 4]), 0.0, 0.02)
    return weight.copy_(kernel.repeat(4, 1, 1, 1))


def depth_to_space(x: Tensor) -> Tensor:
    """Pixel shuffle in TensorFlow's channel order, so that norms over channel groups match the original.

    Channel (2 row + column) c + k becomes that sub-pixel of channel k: (n, 4c, h, w) -> (n, c, 2h, 2w).
    """
    return F.pixel_shuffle(x.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2), 2)


class ConvBlock(nn.Module):
    """Convolution without bias, activation, then optional norm: (n, in, h, w) -> (n, out, h / stride, w / stride)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: int = 2,
        slope: float = 0.0,
        norm: Factory | None = None,
    ) -> None:
        super().__init__()
        self.conv = RegularisedConv2d(in_channels, out_channels, kernel, stride=stride, bias=False, init=he_normal)
        self.norm = norm(out_channels) if norm else nn.Identity()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.leaky_relu(self.conv(x), self.slope))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without bias around a leaky ReLU, added to the input, then a leaky ReLU; no norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            RegularisedConv2d(channels, channels, 3, bias=False, init=he_normal) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(self.conv1(x), SLOPE)
        return F.leaky_relu(self.conv2(inner) + x, SLOPE)


class ShuffleUpscale(nn.Module):
    """Upscale of the standard capacity: convolution, leaky ReLU, norm, pixel shuffle.

    Shape: (n, in, h, w) -> (n, out, 2h, 2w). The norm has 4 out channels; `HybridNorm` still splits them at out / 2.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Factory | None) -> None:
        super().__init__()
        self.conv = RegularisedConv2d(in_channels, 4 * out_channels, 3, init=icnr)
        self.norm = norm(4 * out_channels) if norm else nn.Identity()
        if isinstance(self.norm, HybridNorm):
            self.norm = HybridNorm(4 * out_channels, convolved=out_channels // 2, eps=self.norm.norm.eps)

    def forward(self, x: Tensor) -> Tensor:
        return depth_to_space(self.norm(F.leaky_relu(self.conv(x), SLOPE)))


class NearestUpscale(nn.Module):
    """Upscale of the lite capacity: nearest neighbour, reflection padding, convolution, norm; no activation.

    Shape: (n, in, h, w) -> (n, out, 2h, 2w).
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Factory | None) -> None:
        super().__init__()
        self.conv = RegularisedConv2d(in_channels, out_channels, 3, init=he_normal)
        self.norm = norm(out_channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (1, 1, 1, 1), mode="reflect")
        return self.norm(F.conv2d(padded, self.conv.weight, self.conv.bias))


Upscale = Callable[[int, int, Factory | None], nn.Module]
Attend = Callable[[str, int], "list[tuple[str, nn.Module]]"]
"""(block, channels) -> the named attention layer after that block, or an empty list."""


def _attend(part: str, attention: Factory | None, sites: Sequence[str]) -> Attend:
    def after(block: str, channels: int) -> list[tuple[str, nn.Module]]:
        if attention is None or f"{part}.{block}" not in sites:
            return []
        return [(f"{block}_attention", attention(channels))]

    return after


class Encoder(nn.Module):
    """Stem, strided blocks down to 4x4, two dense layers without a non-linearity, one upscale.

    Shape: (n, 3, R, R) in [-1, 1] -> (n, out, 8, 8). ``widths``: channels of the stem and the blocks. ``out``: channels
    of the code.
    """

    def __init__(
        self,
        widths: Sequence[int],
        out: int,
        latent: int,
        upscale: Upscale,
        norm: Factory | None,
        attend: Attend,
        bias: bool,
    ) -> None:
        super().__init__()
        self.stem = SameConv2d(3, widths[0], 5, bias=bias)
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, len(widths)):
            blocks[f"down{i}"] = ConvBlock(widths[i - 1], widths[i], norm=norm if i > 1 else None)
            blocks.update(attend(f"down{i}", widths[i]))
        self.down = nn.Sequential(blocks)
        self.top = widths[-1]
        self.squeeze = Dense(self.top * _CODE_SIDE**2, latent)
        self.expand = Dense(latent, self.top * _CODE_SIDE**2)
        self.up = upscale(self.top, out, norm)

    def forward(self, x: Tensor) -> Tensor:
        latent = self.squeeze(self.down(self.stem(x)).flatten(1))
        square = self.expand(latent).unflatten(1, (self.top, _CODE_SIDE, _CODE_SIDE))
        return self.up(square.contiguous(memory_format=torch.channels_last))


class Decoder(nn.Module):
    """Code (n, widths[0], 8, 8) -> colours in [0, 1], alpha, and colours at every lower resolution from 64 pixels up.

    Three upscales, then at 64 pixels a residual block and an attention (without attention, one more convolution). Each
    further doubling has a colour head at the lower resolution, an upscale and a convolution.
    """

    def __init__(
        self,
        widths: Sequence[int],
        resolution: int,
        upscale: Upscale,
        norm: Factory | None,
        attend: Attend,
        mask: Factory | None,
    ) -> None:
        super().__init__()
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, 4):
            blocks[f"up{i}"] = upscale(widths[i - 1], widths[i], norm)
            blocks.update(attend(f"up{i}", widths[i]))
        last = widths[3]
        blocks["residual"] = ResidualBlock(last)
        blocks.update(attend("residual", last) or [("refine", ConvBlock(last, last, stride=1))])
        self.to64 = nn.Sequential(blocks)
        self.heads, self.further = nn.ModuleDict(), nn.ModuleDict()
        side = 64
        while side < resolution:
            self.heads[f"raw{side}"] = SameConv2d(last, 3, 5)
            step = OrderedDict(up=upscale(last, last, norm), refine=ConvBlock(last, last, stride=1))
            self.further[f"raw{side}"] = nn.Sequential(step)
            side *= 2
        self.colour = SameConv2d(last, 3, 5)
        self.mask = mask(last) if mask else None

    def forward(self, code: Tensor) -> SwapOutput:
        features, aux = self.to64(code), {}
        for name, head in self.heads.items():
            aux[name] = _colours(head(features))
            features = self.further[name](features)
        return SwapOutput(_colours(self.colour(features)), self.mask(features) if self.mask else None, aux)


def _colours(x: Tensor) -> Tensor:
    return (torch.tanh(x) + 1) / 2


def check_resolution(resolution: int, owner: str) -> None:
    """Raises UserError unless faceswap-GAN has networks for the resolution."""
    if resolution not in RESOLUTIONS:
        raise UserError(
            f"data.resolution must be one of {', '.join(map(str, RESOLUTIONS))} for {owner}; got {resolution}"
        )


class FaceswapGAN(nn.Module):
    """Generator of faceswap-GAN v2.2 (2018): a shared encoder and one decoder per identity with colours, alpha and
    auxiliary heads.

    Faces in and out: (n, 3, R, R) in [0, 1], R = 64, 128 or 256; inside, [-1, 1] and tanh. ``aux`` holds the colours at
    lower resolutions as ``raw64`` and ``raw128``. At ``width=1`` encoder and decoders have as many parameters as in the
    original.

    Args: ``capacity``: standard, or lite with half the channels and nearest-neighbour upscaling. ``width`` multiplies
    every number of channels. ``latent``: units of the first dense layer (None: 1024 ``width``; twice that for lite
    above 64 pixels). ``norm`` follows the activation; the first block, the residual block and the refining convolutions
    have none. ``attention`` follows the blocks in ``attention_sites`` (None: those of the original). ``mask`` builds
    the alpha head, in the original `LearnedMask`. ``stem_bias``: a bias in the first convolution, which the original
    notes as forgotten. ``l2``: weight of the sum of squares of the regularised kernels.
    Raises UserError for an unknown resolution, capacity or site.
    """

    shared_encoder = True
    default_sites = ("encoder.down2", "encoder.down3", "decoder.up2", "decoder.residual")

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int,
        capacity: Literal["standard", "lite"] = "standard",
        width: Width = 1.0,
        latent: Latent | None = None,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        mask: Factory | None = None,
        stem_bias: bool = False,
        l2: NotNegative = 1e-4,
    ) -> None:
        super().__init__()
        check_resolution(resolution, "generator faceswap_gan")
        if capacity not in CAPACITIES:
            raise UserError(f"generator.capacity must be {' or '.join(CAPACITIES)}; got {capacity}")
        lite = capacity == "lite"
        channels = partial(scaled, width=width / CAPACITIES[capacity])
        upscale: Upscale = NearestUpscale if lite else ShuffleUpscale
        self.identities, self.l2 = tuple(identities), l2
        self.aux_heads = tuple(f"raw{side}" for side in RESOLUTIONS if side < resolution)
        # the lite network divides the 1024 channels twice
        top = scaled(1024, width / CAPACITIES[capacity] ** 2)
        strides = (resolution // _CODE_SIDE).bit_length() - 1
        widths = [channels(c) for c in (64, 128, 256, 512)] + [top] * (strides - 3)
        known = [f"encoder.down{i + 1}" for i in range(strides)]
        known += ["decoder.up1", "decoder.up2", "decoder.up3", "decoder.residual"]
        sites = attended(attention_sites, known, self.default_sites, "generator faceswap_gan")
        self.encoder = Encoder(
            widths,
            channels(512),
            latent or max(8, round((2048 if lite and resolution > 64 else 1024) * width)),
            upscale,
            norm,
            _attend("encoder", attention, sites),
            stem_bias,
        )
        decoded = [channels(c) for c in (512, 256, 128, 64)]
        attend = _attend("decoder", attention, sites)
        self.decoders = nn.ModuleDict(
            {name: Decoder(decoded, resolution, upscale, norm, attend, mask) for name in self.identities}
        )

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The code (n, 512 width, 8, 8) of faces (n, 3, R, R) of any identity."""
        return self.encoder(faces * 2 - 1)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """A code decoded as ``target``."""
        return self.decoders[target](code)


class ConditionalPatches(nn.Module):
    """Strided 4x4 convolutions down to 8x8, attention, one score per patch: (n, 6, R, R) in [-1, 1] -> (n, 1, 8, 8)."""

    def __init__(self, widths: Sequence[int], norm: Factory | None, attend: Attend, bias: bool) -> None:
        super().__init__()
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, len(widths)):
            blocks[f"down{i}"] = ConvBlock(
                widths[i - 1], widths[i], kernel=4, slope=SLOPE, norm=norm if i > 1 else None
            )
            blocks.update(attend(f"down{i}", widths[i]))
        self.down = nn.Sequential(blocks)
        self.score = SameConv2d(widths[-1], 1, 4, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.down(x))


class FaceswapGANDiscriminator(nn.Module):
    """Discriminators of faceswap-GAN v2.2 (2018): one per identity, which sees a face and the generator's input.

    Linear scores. ``width`` multiplies 64, 128, 256, ..., 256 channels, the same for both capacities. ``attention``
    follows the blocks in ``attention_sites`` (None: every block from the third on). ``score_bias``: a bias in the last
    convolution, which the original lacks. ``l2``: see `FaceswapGAN`. Raises UserError for an unknown resolution or
    site.
    """

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int,
        width: Width = 1.0,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        score_bias: bool = False,
        l2: NotNegative = 1e-4,
    ) -> None:
        super().__init__()
        check_resolution(resolution, "discriminator faceswap_gan")
        self.l2 = l2
        strides = (resolution // 8).bit_length() - 1
        widths = [6, *(scaled(min(64 * 2**i, 256), width) for i in range(strides))]
        known = [f"discriminator.down{i}" for i in range(1, strides + 1)]
        sites = attended(attention_sites, known, known[2:], "discriminator faceswap_gan")
        attend = _attend("discriminator", attention, sites)
        self.patches = nn.ModuleDict(
            {name: ConditionalPatches(widths, norm, attend, score_bias) for name in identities}
        )

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, 1, 8, 8) of faces (n, 3, R, R) as ``identity``."""
        return self.patches[identity](torch.cat([faces, condition], 1) * 2 - 1)
