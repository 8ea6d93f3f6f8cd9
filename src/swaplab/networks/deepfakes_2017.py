"""The shared encoder and one decoder per identity that started deepfakes (first public commit, December 2017)."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import Attended, ConvBlock, Dense, Factory, SameConv2d, Upscale, scaled
from swaplab.networks.generator import SwapOutput

SLOPE = 0.1
RESOLUTION = 64
_BOTTLENECK_SIDE = 4


class Encoder(nn.Module):
    """(n, 3, 64, 64) -> (n, 512 width, 8, 8): four strided 5x5 convolutions, two dense layers, one upscale."""

    def __init__(self, width: float, latent: int, norm: Factory | None) -> None:
        super().__init__()
        channels = [3, *(scaled(c, width) for c in (128, 256, 512, 1024))]
        self.down = nn.Sequential(
            OrderedDict(
                (
                    f"down{i}",
                    ConvBlock(channels[i - 1], channels[i], kernel=5, stride=2, slope=SLOPE, norm=norm),
                )
                for i in range(1, 5)
            )
        )
        self.top = channels[-1]
        self.squeeze = Dense(self.top * _BOTTLENECK_SIDE**2, latent)
        self.expand = Dense(latent, self.top * _BOTTLENECK_SIDE**2)
        self.up = Upscale(self.top, scaled(512, width), slope=SLOPE, norm=norm)

    def forward(self, faces: Tensor) -> Tensor:
        latent = self.squeeze(self.down(faces).flatten(1))
        square = self.expand(latent).unflatten(1, (self.top, _BOTTLENECK_SIDE, _BOTTLENECK_SIDE))
        return self.up(square.contiguous(memory_format=torch.channels_last))


class Decoder(nn.Module):
    """(n, 512 width, 8, 8) -> colours and, with a mask head, alpha at 64 pixels: three upscales, a 5x5 convolution."""

    def __init__(self, width: float, norm: Factory | None, mask: Factory | None) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in (512, 256, 128, 64)]
        self.up = nn.Sequential(
            OrderedDict((f"up{i}", Upscale(channels[i - 1], channels[i], slope=SLOPE, norm=norm)) for i in range(1, 4))
        )
        self.colour = SameConv2d(channels[-1], 3, 5)
        self.mask = mask(channels[-1]) if mask else None

    def forward(self, code: Tensor) -> SwapOutput:
        features = self.up(code)
        return SwapOutput(torch.sigmoid(self.colour(features)), self.mask(features) if self.mask else None)


class Deepfakes2017(nn.Module):
    """The denoising autoencoder of 2017: 64 pixels, [0, 1] sigmoid, Glorot uniform start, no norm, no residual.

    At ``width=1`` and ``latent=1024``, without norm, attention and mask, the encoder has 69,662,976 parameters and each
    decoder 6,199,747, as in the original. Faces in and out: (n, 3, 64, 64) in [0, 1].

    Args: ``width`` multiplies every channel count (rounded to a multiple of 8). ``latent`` is the first dense layer's
    width. ``norm`` and ``attention`` build a layer for a channel count; ``attention`` stands behind the sites named in
    ``attention_sites``. ``mask`` builds a mask head.
    Raises UserError for an unknown site, or for a resolution other than 64.
    """

    shared_encoder = True

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int = RESOLUTION,
        width: float = 1.0,
        latent: int = 1024,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] = (),
        mask: Factory | None = None,
    ) -> None:
        super().__init__()
        if resolution != RESOLUTION:
            raise UserError(
                f"generator deepfakes_2017 works at {RESOLUTION} pixels, not {resolution}; "
                f"set data.resolution={RESOLUTION}"
            )
        self.identities = tuple(identities)
        self.encoder = Encoder(width, latent, norm)
        self.decoders = nn.ModuleDict({name: Decoder(width, norm, mask) for name in self.identities})
        if attention is not None:
            self._attend(attention, attention_sites, width)

    def _attend(self, attention: Factory, sites: Sequence[str], width: float) -> None:
        widths = {f"encoder.down{i}": scaled(c, width) for i, c in enumerate((128, 256, 512, 1024), 1)}
        widths |= {f"decoder.up{i}": scaled(c, width) for i, c in enumerate((256, 128, 64), 1)}
        unknown = sorted(set(sites) - set(widths))
        if unknown or not sites:
            what = f"has no attention site {unknown[0]!r}" if unknown else "needs attention_sites"
            raise UserError(f"generator deepfakes_2017 {what}; choose among {', '.join(widths)}")
        for site in sites:
            part, block = site.split(".")
            chains = [self.encoder.down] if part == "encoder" else [self.decoders[n].up for n in self.identities]
            for chain in chains:
                setattr(chain, block, Attended(getattr(chain, block), attention(widths[site])))

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The code (n, 512 width, 8, 8) of faces (n, 3, 64, 64), whoever they show."""
        return self.encoder(faces)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """The faces of ``target`` for a code."""
        return self.decoders[target](code)
