"""The generators of CycleGAN: one residual network into the domain of each identity."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.attention import attended
from swaplab.networks.blocks import Attended, Factory, scaled
from swaplab.networks.generator import SwapOutput
from swaplab.ranges import Width

STD = 0.02


class GaussianConv2d(nn.Conv2d):
    """Convolution whose weight starts as N(0, 0.02) (Radford et al. 2016, section 3), its bias as 0."""

    def reset_parameters(self) -> None:
        _start(self)


class GaussianConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution that starts as `GaussianConv2d` does."""

    def reset_parameters(self) -> None:
        _start(self)


def _start(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    nn.init.normal_(layer.weight, 0.0, STD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def attend(
    chains: Mapping[str, nn.Sequential], widths: Mapping[str, int], attention: Factory | None, sites: Sequence[str]
) -> None:
    """Put an attention behind each site's block; by site: the ``chains`` that hold blocks, and the channels."""
    for site in sites if attention else ():
        block, chain = site.split(".")[1], chains[site]
        setattr(chain, block, Attended(getattr(chain, block), attention(widths[site])))  # type: ignore[misc]


def _normed(layer: nn.Module, channels: int, norm: Factory | None, *before: nn.Module) -> nn.Sequential:
    """Padding if any, convolution, norm, ReLU, under the names of their sites."""
    parts: OrderedDict[str, nn.Module] = OrderedDict((f"pad{i}", pad) for i, pad in enumerate(before))
    parts |= {"conv": layer, "norm": norm(channels) if norm else nn.Identity(), "relu": nn.ReLU()}
    return nn.Sequential(parts)


class ResidualBlock(nn.Module):
    """Two reflected 3x3 convolutions beside the identity, nothing after the sum: (n, c, h, w) -> same (R256)."""

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
    """A trunk and its colours, c7s1-3 with tanh, beside a mask head if any: (n, 3, R, R) in [0, 1] -> same."""

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
    """One ResNet generator into each identity's domain (Zhu et al. 2017, section 4 and appendix 7.2).

    At ``width=1`` with instance norm without parameters a generator has 11,378,179 parameters at 9 blocks (for 256
    pixels) and 7,837,699 at 6 (up to 128), as the authors' code. Faces in and out: (n, 3, R, R) in [0, 1], R a multiple
    of 4; inside they are in [-1, 1]. The code is the face itself, so two identities make the pair of the paper and N
    make N networks. The convolutions keep their biases before a norm, which the published counts include.

    Args: ``norm`` and ``attention`` build a layer for a channel count; ``attention`` stands behind the blocks in
    ``attention_sites`` (encoder.down1, encoder.down2, encoder.block1 .., decoder.up1, decoder.up2; None:
    encoder.down2 and decoder.up1). ``mask`` builds a mask head.
    Raises UserError for an unknown site, no block, or a resolution that is not a multiple of 4.
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
            raise UserError(
                f"generator resnet halves the side twice, which {resolution} does not allow; give 4 k pixels"
            )
        if blocks < 1:
            raise UserError(f"generator.blocks={blocks} leaves nothing to translate with; give 1 or more (6 or 9)")
        self.identities = tuple(identities)
        into = {name: ResNetTranslator(width, blocks, norm, mask) for name in self.identities}
        for trunk in (translator.trunk for translator in into.values()):
            sites = attended(attention_sites, list(trunk.widths), self.default_sites, "generator resnet")
            attend(dict.fromkeys(trunk.widths, trunk), trunk.widths, attention, sites)
        self.into = nn.ModuleDict(into)

    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The faces themselves, (n, 3, R, R) in [0, 1]."""
        return faces

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """Faces translated into the domain of ``target``."""
        output: SwapOutput = self.into[target](code)
        return output
