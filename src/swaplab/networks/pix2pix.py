"""The U-Net generator of pix2pix: a noisy face in, the clean face of one identity out."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.attention import attended
from swaplab.networks.blocks import Factory, scaled
from swaplab.networks.cyclegan import GaussianConv2d, GaussianConvTranspose2d, attend
from swaplab.networks.draws import KeyedDropout
from swaplab.networks.protocols import SwapOutput
from swaplab.ranges import Width

SLOPE = 0.2


class Down(nn.Module):
    """Leaky ReLU (except on the image), 4x4 convolution, optional norm: (n, in, h, w) -> (n, out, h / 2, w / 2)."""

    def __init__(self, in_channels: int, out_channels: int, norm: Factory | None, *, first: bool = False) -> None:
        super().__init__()
        self.first = first
        self.conv = GaussianConv2d(in_channels, out_channels, 4, 2, 1, bias=False)
        self.norm = norm(out_channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x if self.first else F.leaky_relu(x, SLOPE)))


class Up(nn.Module):
    """ReLU, 4x4 transposed convolution of stride 2, optional norm and dropout: (n, in, h, w) -> (n, out, 2h, 2w)."""

    def __init__(self, in_channels: int, out_channels: int, norm: Factory | None, dropout: float) -> None:
        super().__init__()
        self.conv = GaussianConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=norm is None)
        self.norm = norm(out_channels) if norm else nn.Identity()
        self.dropout = KeyedDropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.norm(self.conv(F.relu(x))))


class UNet(nn.Module):
    """``downs`` halvings to one pixel and as many doublings, with skip connections between maps of equal size.

    Shape: (n, 3, R, R) -> (n, 3, R, R) in [0, 1]; R = 2 ** downs. Channels 64, 128, 256, then 512, times ``width``.
    """

    def __init__(self, downs: int, width: float, norm: Factory | None, dropout: float) -> None:
        super().__init__()
        channels = [scaled(64 * min(2**i, 8), width) for i in range(downs)]
        # no norm in the first block, which would remove the image's contrast, nor on a single pixel
        norms = [None, *[norm] * (downs - 2), None]
        self.down, self.up = nn.Sequential(), nn.Sequential()
        for i, (before, after) in enumerate(pairwise([3, *channels])):
            self.down.add_module(f"down{i + 1}", Down(before, after, norms[i], first=i == 0))
        for i in reversed(range(1, downs)):
            doubled = channels[i] * (1 if i == downs - 1 else 2)
            # like the authors' code: at the levels of 512 channels, except the innermost one
            dropped = dropout if 4 <= i < downs - 1 else 0.0
            self.up.add_module(f"up{i + 1}", Up(doubled, channels[i - 1], norm, dropped))
        self.up.add_module("up1", Up(2 * channels[0], 3, None, 0.0))
        self.widths = {f"encoder.down{i}": c for i, c in enumerate(channels, 1)}
        self.widths |= {f"decoder.up{i}": c for i, c in reversed(list(enumerate(channels[:-1], 2)))}

    def forward(self, faces: Tensor) -> Tensor:
        x, skips = faces * 2 - 1, []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.up:
            x = up(x)
            if skips:
                x = torch.cat([skips.pop(), x], 1)
        return (torch.tanh(x) + 1) / 2


class Pix2Pix(nn.Module):
    """One U-Net per identity, from the noisy to the clean face (Isola et al. 2017, section 3.2 and appendix 6.1).

    At ``width=1`` with batch norm, a U-Net has 54,413,955 parameters at 256 pixels (8 levels), 41,828,995 at 128 (7),
    like the authors' code, and 29,244,035 at 64 (6). Faces in and out: (n, 3, R, R) in [0, 1], R a power of 2.

    The code is the noisy face itself; a swap uses the U-Net of the other identity. Skip connections pass the image on
    pixel by pixel, and no U-Net ever sees another identity, so a swap is expected to return the input face: removing
    noise does not require the identity. Unlike in the paper, there is no dropout at inference, so that the same face
    gives the same output; in training, dropout is keyed by the face's position in the run.

    Args: ``dropout``: the probability at the levels of 512 channels except the innermost one. ``norm`` and
    ``attention`` build a layer for a number of channels; ``attention`` follows the blocks in ``attention_sites``
    (encoder.down1 .., decoder.up2 ..; None: encoder.down3 and decoder.up4, both at an eighth of the side). Raises
    UserError for an unknown site, a mask head, or a resolution that is not a power of 2 of at least 64.
    """

    shared_encoder = False
    default_sites = ("encoder.down3", "decoder.up4")

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int,
        width: Width = 1.0,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        mask: Factory | None = None,
    ) -> None:
        super().__init__()
        downs = resolution.bit_length() - 1
        if resolution != 2**downs or downs < 6:
            raise UserError(f"data.resolution must be a power of 2 of at least 64 for generator=unet; got {resolution}")
        if not 0 <= dropout < 1:
            raise UserError(f"generator.dropout must be in [0, 1); got {dropout}")
        if mask is not None:
            raise UserError("generator=unet has no full-resolution features for a learned mask; set mask=none")
        self.identities = tuple(identities)
        into = {name: UNet(downs, width, norm, dropout) for name in self.identities}
        for net in into.values():
            sites = attended(attention_sites, list(net.widths), self.default_sites, "generator unet")
            chains = {site: net.down if site.startswith("encoder") else net.up for site in net.widths}
            attend(chains, net.widths, attention, sites)
        self.into = nn.ModuleDict(into)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The faces themselves: (n, 3, R, R) in [0, 1]."""
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """Noisy faces (n, 3, R, R) cleaned by the U-Net of ``target``."""
        return SwapOutput(self.into[target](code))
