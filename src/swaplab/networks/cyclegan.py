"""The generators of CycleGAN: one residual network per identity, which translates any face into that identity."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.attention import attended
from swaplab.networks.blocks import Attended, Factory, scaled
from swaplab.networks.protocols import SwapOutput
from swaplab.ranges import Width

STD = 0.02


class GaussianConv2d(nn.Conv2d):
    """Convolution with weights initialised from N(0, 0.02) (Radford et al. 2016, section 3) and a bias of 0."""

    def reset_parameters(self) -> None:
        _start(self)


class GaussianConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution, initialised like `GaussianConv2d`."""

    def reset_parameters(self) -> None:
        _start(self)


def _start(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    nn.init.normal_(layer.weight, 0.0, STD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def attend(
    chains: Mapping[str, nn.Sequential], widths: Mapping[str, int], attention: Factory | None, sites: Sequence[str]
) -> None:
    """Insert an attention after the block of each site. ``chains`` and ``widths``: by site, the chain that holds its
    block and its number of channels."""
    for site in sites if attention else ():
        block, chain = site.split(".")[1], chains[site]
        setattr(chain, block, Attended(getattr(chain, block), attention(widths[site])))  # type: ignore[misc]


def _normed(layer: nn.Module, channels: int, norm: Factory | None, *before: nn.Module) -> nn.Sequential:
    """Optional padding, convolution, norm, ReLU, under their site names."""
    parts: OrderedDict[str, nn.Module] = OrderedDict((f"pad{i}", pad) for i, pad in enumerate(before))
    parts |= {"conv": layer, "norm": norm(channels) if norm else nn.Identity(), "relu": nn.ReLU()}
    return nn.Sequential(parts)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding, added to the input, no activation after the sum (R256).

    Shape: (n, c, h, w) -> same.
    """

    def __init__(self, channels: int, norm: Factory | None) -> None:
        super().__init__()
        self.first = _normed(GaussianConv2d(channels, channels, 3), channels, norm, nn.ReflectionPad2d(1))
        self.second = _normed(GaussianConv2d(channels, channels, 3), channels, norm, nn.ReflectionPad2d(1))
        del self.second.relu

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class ResNetTrunk(nn.Sequential):
    """c7s1-64, d128, d256, R256 x ``blocks``, u128, u64: (n, 3, R, R) -> (n, 64 width, R, R), R a multiple of 4."""

    def __init__(self, width: float, blocks: int, norm: Factory | None) -> None:
        a, b, c = (scaled(channels, width) for channels in (64, 128, 256))
        super().__init__(
            OrderedDict[str, Any](
                stem=_normed(GaussianConv2d(3, a, 7), a, norm, nn.ReflectionPad2d(3)),
                down1=_normed(GaussianConv2d(a, b, 3, 2, 1), b, norm),
                down2=_normed(GaussianConv2d(b, c, 3, 2, 1), c, norm),
                **{f"block{i}": ResidualBlock(c, norm) for i in range(1, blocks + 1)},
                up1=_normed(GaussianConvTranspose2d(c, b, 3, 2, 1, 1), b, norm),
                up2=_normed(GaussianConvTranspose2d(b, a, 3, 2, 1, 1), a, norm),
            )
        )
        self.top = a
        self.widths = {"encoder.down1": b, "encoder.down2": c}
        self.widths |= {f"encoder.block{i}": c for i in range(1, blocks + 1)} | {"decoder.up1": b, "decoder.up2": a}


class ResNetTranslator(nn.Module):
    """A trunk with a colour head (c7s1-3, tanh) and an optional mask head: (n, 3, R, R) in [0, 1] -> same."""

    def __init__(self, width: float, blocks: int, norm: Factory | None, mask: Factory | None) -> None:
        super().__init__()
        self.trunk = ResNetTrunk(width, blocks, norm)
        channels = self.trunk.top
        self.colour = nn.Sequential(
            OrderedDict[str, nn.Module](pad=nn.ReflectionPad2d(3), conv=GaussianConv2d(channels, 3, 7))
        )
        self.mask = mask(channels) if mask else None

    def forward(self, faces: Tensor) -> SwapOutput:
        features = self.trunk(faces * 2 - 1)
        raw = (torch.tanh(self.colour(features)) + 1) / 2
        return SwapOutput(raw, self.mask(features) if self.mask else None)


class CycleGAN(nn.Module):
    """One ResNet generator per identity, which translates any face into it (Zhu et al. 2017, section 4 and appendix
    7.2).

    At ``width=1`` with instance norm without parameters, a generator has 11,378,179 parameters at 9 blocks (for 256
    pixels) and 7,837,699 at 6 (up to 128), like the authors' code. Faces in and out: (n, 3, R, R) in [0, 1], R a
    multiple of 4; inside, they are in [-1, 1]. The code is the face itself: two identities give the pair of the paper,
    N give N networks. Convolutions keep their bias before a norm, as in the published counts.

    Args: ``norm`` and ``attention`` build a layer for a number of channels; ``attention`` follows the blocks in
    ``attention_sites`` (encoder.down1, encoder.down2, encoder.block1 .., decoder.up1, decoder.up2; None:
    encoder.down2 and decoder.up1). ``mask`` builds a mask head.
    Raises UserError for an unknown site, fewer than 1 block, or a resolution that is not a multiple of 4.
    """

    shared_encoder = False
    default_sites = ("encoder.down2", "decoder.up1")

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int,
        width: Width = 1.0,
        blocks: Annotated[int, Field(ge=1, le=64)] = 9,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        mask: Factory | None = None,
    ) -> None:
        super().__init__()
        if resolution % 4:
            raise UserError(f"data.resolution must be a multiple of 4 for generator=resnet; got {resolution}")
        if blocks < 1:
            raise UserError(f"generator.blocks must be at least 1 (the paper uses 6 or 9); got {blocks}")
        self.identities = tuple(identities)
        into = {name: ResNetTranslator(width, blocks, norm, mask) for name in self.identities}
        for trunk in (translator.trunk for translator in into.values()):
            sites = attended(attention_sites, list(trunk.widths), self.default_sites, "generator resnet")
            attend(dict.fromkeys(trunk.widths, trunk), trunk.widths, attention, sites)
        self.into = nn.ModuleDict(into)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The faces themselves: (n, 3, R, R) in [0, 1]."""
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """Faces (n, 3, R, R) translated into ``target``."""
        output: SwapOutput = self.into[target](code)
        return output
