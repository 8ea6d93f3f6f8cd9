"""The autoencoder: a shared encoder and a decoder per identity. Every component can be exchanged."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast

from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.attention import attended
from swaplab.networks.blocks import Attentions, ConvBlock, Factory, scaled
from swaplab.networks.bottleneck import SIDE, Bottleneck, FullyConnected, Shape
from swaplab.networks.decoder import SLOPE, DecoderFamily, DecoderPlan, Decoders, PerIdentity
from swaplab.networks.output import Output
from swaplab.networks.protocols import SwapOutput
from swaplab.networks.upsampling import PixelShuffle, Upsampling
from swaplab.ranges import Latent, Width

RESOLUTIONS = (64, 128, 256)
DOWNSAMPLINGS = ("fixed", "until_4x4")
ENCODERS = ("shared", "separate")
_CHANNELS = {4: 1024, 8: 512, 16: 256, 32: 128}
_FULLY_CONNECTED = FullyConnected()
_STRIDES = 4  # strided convolutions of the 2017 network: 64 pixels become 4


def encoded_width(step: int, width: float) -> int:
    """Output channels of encoder block number ``step``: 128, 256, 512, then 1024."""
    return scaled(min(64 * 2**step, 1024), width)


def decoded_width(side: int, width: float) -> int:
    """Channels of a decoder's map by its side: 1024 at 4 pixels, halved at each doubling, 64 from 64 pixels on."""
    return scaled(_CHANNELS.get(side, 64), width)


class Encoder(nn.Module):
    """Strided convolutions, then the bottleneck and, from 4 pixels, one upsampling: (n, 3, R, R) -> (n, *plan.code).

    The first four convolutions are 5x5, the others 3x3. With ``from_features`` it stops after the convolutions and
    returns (n, *plan.features).
    """

    def __init__(self, plan: DecoderPlan, width: float, from_features: bool) -> None:
        super().__init__()
        self.down, channels = nn.Sequential(), 3
        for i in range(1, steps(plan.resolution, plan.features.side) + 1):
            kernel, out = 5 if i <= _STRIDES else 3, encoded_width(i, width)
            block = ConvBlock(channels, out, kernel=kernel, stride=2, slope=SLOPE, norm=plan.norm)
            self.down.add_module(f"down{i}", plan.attentions.behind(f"encoder.down{i}", block, out))
            channels = out
        self.squeeze: nn.Module = nn.Identity()
        self.expand: nn.Module = nn.Identity()
        self.up: nn.Module = nn.Identity()
        if from_features:
            return
        if plan.bottleneck:
            self.squeeze, self.expand = plan.bottleneck.build(plan.features, plan.latent, plan.widths)
        if plan.squeezed.side == SIDE:
            self.up = plan.upsampling(plan.squeezed.channels, plan.code.channels, slope=SLOPE, norm=plan.norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.expand(self.squeeze(self.down(x))))


def steps(side: int, end: int) -> int:
    """The number of halvings from ``side`` to ``end``."""
    return (side // end).bit_length() - 1


class Autoencoder(nn.Module):
    """Denoising autoencoder with a shared encoder and one decoder per identity (deepfakes, December 2017), and its
    variants.

    Defaults: the 2017 network with 64 pixels, [0, 1] and sigmoid, Glorot uniform initialisation, no norm, no residual
    blocks; at ``width=1`` its encoder has 69,662,976 parameters and each decoder 6,199,747. Faces in and out:
    (n, 3, R, R) in [0, 1].

    Args: ``resolution``: 64, 128 or 256 pixels. ``width`` multiplies every number of channels (rounded to a multiple of
    8). ``latent``: size of the bottleneck. ``downsampling``: fixed (four strided convolutions; dense layers grow with
    the resolution) or until_4x4 (one more 3x3 convolution per doubling of the side; they do not). ``encoder``: shared,
    or separate (one per identity). ``decoder``, ``bottleneck`` (None: the features are the code), ``upsampling`` and
    ``output``: see the modules of these names. ``residual_blocks``: 0 to 2, after a decoder's last stage. ``norm`` and
    ``attention`` build a layer for a number of channels; ``attention`` follows the blocks in ``attention_sites`` (None:
    encoder.down3 and decoder.up2). ``mask`` builds a mask head.
    Raises UserError for an unknown option or site, and for options that contradict each other.
    """

    default_sites = ("encoder.down3", "decoder.up2")

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int = RESOLUTIONS[0],
        width: Width = 1.0,
        latent: Latent = 1024,
        downsampling: Literal["fixed", "until_4x4"] = "fixed",
        encoder: Literal["shared", "separate"] = "shared",
        decoder: Decoders = PerIdentity,
        bottleneck: Bottleneck | None = _FULLY_CONNECTED,
        upsampling: Upsampling = PixelShuffle,
        output: Output | None = None,
        residual_blocks: Literal[0, 1, 2] = 0,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        mask: Factory | None = None,
    ) -> None:
        super().__init__()
        _check("data.resolution", resolution, RESOLUTIONS)
        _check("generator.downsampling", downsampling, DOWNSAMPLINGS)
        _check("generator.encoder", encoder, ENCODERS)
        _check("generator.residual_blocks", residual_blocks, (0, 1, 2))
        self.identities = tuple(identities)
        self.shared_encoder = encoder == "shared"
        self.output = output or Output()
        end = SIDE if downsampling == "until_4x4" else resolution >> _STRIDES
        end = bottleneck.reached(end) if bottleneck else end
        attentions = Attentions(attention, self.default_sites if attention_sites is None else attention_sites)
        plan = DecoderPlan(
            features=Shape(encoded_width(steps(resolution, end), width), end),
            resolution=resolution,
            latent=latent,
            widths=partial(decoded_width, width=width),
            bottleneck=bottleneck,
            upsampling=upsampling,
            output=self.output,
            residual_blocks=residual_blocks,
            norm=norm,
            attentions=attentions,
            mask=mask,
        )
        decoders = decoder(self.identities, plan)
        from_features = cast(DecoderFamily, decoders).from_features
        if self.shared_encoder:
            self.encoder = Encoder(plan, width, from_features)
        else:
            self.encoders = nn.ModuleDict({name: Encoder(plan, width, from_features) for name in self.identities})
        self.decoders = decoders
        if attention:
            attended(attentions.wanted, tuple(attentions.seen), self.default_sites, "generator autoencoder")

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The code of faces (n, 3, R, R): (n, 512 width, 8, 8), or the shape that bottleneck and decoder set.

        Only separate encoders use ``source``.
        """
        encoder = self.encoder if self.shared_encoder else self.encoders[source]
        return encoder(self.output.entering(faces))

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """A code decoded as ``target``."""
        return cast(DecoderFamily, self.decoders).decode(code, target)


def _check(key: str, value: object, known: Sequence[object]) -> None:
    if value not in known or isinstance(value, bool):
        raise UserError(f"{key} must be one of {', '.join(map(str, known))} for generator=autoencoder; got {value}")
