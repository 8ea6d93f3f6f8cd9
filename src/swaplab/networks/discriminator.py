"""Discriminators: patch maps that say real or fake, per identity."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from swaplab.networks.blocks import ConvBlock, Factory, SameConv2d, scaled

SLOPE = 0.2


@runtime_checkable
class Discriminator(Protocol):
    """Any ``nn.Module`` with this member."""

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, 1, h, w), higher = more like a real face of ``identity``; any real number.

        faces: (n, 3, R, R) in [0, 1]. condition: the network's input (n, 3, R, R) in [0, 1], for those that look at it.
        """
        ...


class PatchDiscriminator(nn.Module):
    """Strided 4x4 convolutions down to 8x8, then one score a patch (faceswap-GAN v2.2, without its norm).

    Shape: (n, channels, R, R) in [0, 1] -> (n, 1, 8, 8), no output non-linearity. ``width`` multiplies 64, 128, 256
    (to multiples of 8).
    """

    def __init__(self, channels: int, resolution: int, width: float, norm: Factory | None) -> None:
        super().__init__()
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        side, widths = resolution, [channels]
        while side > 8:
            widths.append(scaled(min(64 * 2 ** len(blocks), 256), width))
            # the first block is never normalised: it would remove the picture's own contrast
            blocks[f"down{len(blocks) + 1}"] = ConvBlock(
                widths[-2], widths[-1], kernel=4, stride=2, slope=SLOPE, norm=norm if blocks else None
            )
            side //= 2
        self.down = nn.Sequential(blocks)
        self.score = SameConv2d(widths[-1], 1, 4, bias=False)

    def forward(self, faces: Tensor) -> Tensor:
        return self.score(self.down(faces * 2 - 1))


class PerIdentity(nn.Module):
    """One patch discriminator an identity; with ``conditional`` it sees the face beside the generator's input."""

    def __init__(
        self,
        identities: Sequence[str],
        *,
        resolution: int,
        width: float = 1.0,
        conditional: bool = True,
        norm: Factory | None = None,
    ) -> None:
        super().__init__()
        self.conditional = conditional
        channels = 6 if conditional else 3
        self.judges = nn.ModuleDict(
            {name: PatchDiscriminator(channels, resolution, width, norm) for name in identities}
        )

    def judge(self, faces: Tensor, identity: str, condition: Tensor) -> Tensor:
        """Scores (n, 1, 8, 8) of faces (n, 3, R, R) as ``identity``."""
        seen = torch.cat([faces, condition], 1) if self.conditional else faces
        return self.judges[identity](seen)
