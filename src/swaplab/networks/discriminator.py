"""Discriminators: maps of real-or-fake scores per patch, per identity or shared, at one or several scales.

`PerIdentity`, `Shared` and `SharedProjection` assign networks to identities; `PatchDiscriminator`, `PatchGAN70` and
`MultiscaleDiscriminator` are the networks.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.attention import attended
from swaplab.networks.blocks import Attended, ConvBlock, Factory, SameConv2d, scaled
from swaplab.networks.cyclegan import GaussianConv2d
from swaplab.ranges import Width

SLOPE = 0.2
SITE = "discriminator."


class Patches(nn.Module):
    """A chain of blocks ``down`` and a ``score`` layer: (n, channels, R, R) in [0, 1] -> (n, 1, h, w), linear.

    ``features``: channels of the last block. Attention follows the blocks in ``attention_sites``, such as
    discriminator.down2 (None: the last block). Sites of other networks are ignored.
    """

    def __init__(
        self,
        blocks: OrderedDict[str, nn.Module],
        score: nn.Module,
        widths: Sequence[int],
        attention: Factory | None,
        attention_sites: Sequence[str] | None,
    ) -> None:
        super().__init__()
        self.features = widths[-1]
        if attention is not None:
            known = [SITE + name for name in blocks]
            for site in attended(attention_sites, known, known[-1:], f"discriminator {type(self).__name__}"):
                name = site.removeprefix(SITE)
                blocks[name] = Attended(blocks[name], attention(widths[list(blocks).index(name)]))
        self.down = nn.Sequential(blocks)
        self.score = score

    def described(self, faces: Tensor) -> Tensor:
        """Features (n, features, h', w') of faces (n, channels, R, R) in [0, 1]."""
        features: Tensor = self.down(faces * 2 - 1)
        return features

    def forward(self, faces: Tensor) -> Tensor:
        scores: Tensor = self.score(self.described(faces))
        return scores


class PatchDiscriminator(Patches):
    """Strided 4x4 convolutions down to 8x8, then one score per patch (faceswap-GAN v2.2, 2018, activation after norm).

    Shape: (n, channels, R, R) in [0, 1] -> (n, 1, 8, 8), no output non-linearity. ``width`` multiplies 64, 128, 256
    (to multiples of 8).
    """

    def __init__(
        self,
        channels: int,
        resolution: int,
        width: float,
        norm: Factory | None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
    ) -> None:
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        side, widths = resolution, [channels]
        while side > 8:
            widths.append(scaled(min(64 * 2 ** len(blocks), 256), width))
            # no norm in the first block: it would remove the image's contrast
            blocks[f"down{len(blocks) + 1}"] = ConvBlock(
                widths[-2], widths[-1], kernel=4, stride=2, slope=SLOPE, norm=norm if blocks else None
            )
            side //= 2
        score = SameConv2d(widths[-1], 1, 4, bias=False)
        super().__init__(blocks, score, widths[1:], attention, attention_sites)


class PatchGAN70(Patches):
    """The 70x70 PatchGAN of pix2pix and CycleGAN (Isola et al. 2017; Zhu et al. 2017): C64-C128-C256-C512.

    Shape: (n, channels, R, R) in [0, 1] -> (n, 1, R / 8 - 2, R / 8 - 2). 2,764,737 parameters for 3 channels at width 1
    without norm, the published number; with a norm 896 fewer, because here no bias precedes a norm. ``width``
    multiplies 64 to 512 (to multiples of 8). Raises UserError below 32 pixels.
    """

    def __init__(
        self,
        channels: int,
        resolution: int,
        width: float,
        norm: Factory | None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
    ) -> None:
        if resolution < 32:
            raise UserError(f"data.resolution must be at least 32 for a 70x70 PatchGAN; got {resolution}")
        widths = [channels, *(scaled(c, width) for c in (64, 128, 256, 512))]
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for i, stride in enumerate((2, 2, 2, 1), 1):
            own = norm if i > 1 else None
            conv = GaussianConv2d(widths[i - 1], widths[i], 4, stride, padding=1, bias=own is None)
            layers = [("conv", conv), ("norm", own(widths[i]) if own else nn.Identity()), ("act", nn.LeakyReLU(SLOPE))]
            blocks[f"down{i}"] = nn.Sequential(OrderedDict(layers))
        score = GaussianConv2d(widths[-1], 1, 4, padding=1)
        super().__init__(blocks, score, widths[1:], attention, attention_sites)


class MultiscaleDiscriminator(nn.Module):
    """Identical discriminators on the face and its downsampled copies (Wang et al. 2018, pix2pixHD, section 3.2).

    Shape: (n, channels, R, R) in [0, 1] -> (n, scales, h, w): one channel per scale; maps of smaller scales are
    repeated to the size of the largest, so that all scales have equal weight. Each scale halves the side by 3x3 means
    at stride 2. Raises UserError for fewer than 2 scales or a smallest scale below 16 pixels.
    """

    def __init__(
        self,
        channels: int,
        resolution: int,
        width: float,
        norm: Factory | None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        scales: Annotated[int, Field(ge=1, le=8)] = 2,
    ) -> None:
        super().__init__()
        if scales < 2 or resolution // 2 ** (scales - 1) < 16:
            raise UserError(
                f"scales must be at least 2, with at least 16 pixels at the smallest scale; got scales={scales} at "
                f"{resolution} pixels"
            )
        self.scales = nn.ModuleDict(
            {
                f"scale{i + 1}": PatchDiscriminator(channels, resolution, width, norm, attention, attention_sites)
                for i in range(scales)
            }
        )

    def forward(self, faces: Tensor) -> Tensor:
        maps: list[Tensor] = []
        for judge in self.scales.values():
            scores = judge(faces)
            maps.append(scores if not maps else F.interpolate(scores, maps[0].shape[-2:], mode="nearest"))
            faces = F.avg_pool2d(faces, 3, 2, padding=1, count_include_pad=False)
        return torch.cat(maps, 1)


class _Judge(nn.Module):
    """Common constructor of the discriminators.

    ``conditional``: it also sees the generator's input. ``network`` builds a patch network from channels, resolution,
    width, norm, attention and attention_sites.
    """

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int,
        width: Width = 1.0,
        conditional: bool = True,
        norm: Factory | None = None,
        attention: Factory | None = None,
        attention_sites: Sequence[str] | None = None,
        network: Callable[..., nn.Module] = PatchDiscriminator,
    ) -> None:
        super().__init__()
        self.conditional = conditional
        channels = 6 if conditional else 3
        self._add(tuple(identities), lambda: network(channels, resolution, width, norm, attention, attention_sites))

    def _add(self, identities: tuple[str, ...], network: Callable[[], nn.Module]) -> None:
        """Create the networks for ``identities``."""
        raise NotImplementedError

    def _seen(self, faces: Tensor, condition: Tensor) -> Tensor:
        """The network's input: (n, 3 or 6, R, R)."""
        return torch.cat([faces, condition], 1) if self.conditional else faces


class PerIdentity(_Judge):
    """One discriminator per identity (CycleGAN, Zhu et al. 2017; faceswap-GAN 2018)."""

    def _add(self, identities: tuple[str, ...], network: Callable[[], nn.Module]) -> None:
        self.judges = nn.ModuleDict({name: network() for name in identities})

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, k, h, w) of faces (n, 3, R, R) as ``identity``."""
        scores: Tensor = self.judges[identity](self._seen(faces, condition))
        return scores


class Shared(_Judge):
    """One discriminator for all identities; it is not told which one it sees."""

    def _add(self, identities: tuple[str, ...], network: Callable[[], nn.Module]) -> None:
        self.shared = network()

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, k, h, w) of faces (n, 3, R, R), the same for every ``identity``."""
        scores: Tensor = self.shared(self._seen(faces, condition))
        return scores


class SharedProjection(Shared):
    """One discriminator for all identities, conditioned on the identity: its score plus the inner product of features
    and an identity embedding (Miyato & Koyama 2018, equation 3), here per patch instead of summed over the image.

    Raises UserError for a network without features, such as the multiscale one.
    """

    def _add(self, identities: tuple[str, ...], network: Callable[[], nn.Module]) -> None:
        patches = network()
        if not isinstance(patches, Patches):
            raise UserError(
                f"a projection discriminator needs a network with features; {type(patches).__name__} has none"
            )
        self.shared = patches
        self.embeddings = nn.ModuleDict({name: nn.Conv2d(patches.features, 1, 1, bias=False) for name in identities})

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, 1, h, w) of faces (n, 3, R, R) as ``identity``."""
        assert isinstance(self.shared, Patches)
        features = self.shared.described(self._seen(faces, condition))
        scores: Tensor = self.shared.score(features)
        product = self.embeddings[identity](features)
        if product.shape != scores.shape:  # the score layer may have a larger window without padding
            product = F.adaptive_avg_pool2d(product, (scores.shape[-2], scores.shape[-1]))
        return scores + product
