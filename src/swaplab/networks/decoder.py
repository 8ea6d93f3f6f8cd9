"""Decoders: from the code to the faces of an identity, with none, some or all of their layers shared by identities.

Each family is built as ``decoder(identities, plan)`` and has ``decode(code, target)``; ``from_features`` is True if it
reads the encoder's features instead of the code. Sites are named after the side that they double: up0 doubles 4 pixels,
up1 8 pixels, and so on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import Attentions, Factory, ResidualBlock, SameConv2d
from swaplab.networks.bottleneck import SIDE, Bottleneck, Shape, Widths
from swaplab.networks.output import Output
from swaplab.networks.protocols import SwapOutput
from swaplab.networks.upsampling import Upsampling

SLOPE = 0.1


@dataclass(frozen=True)
class DecoderPlan:
    """The settings that decoders of every family are built from.

    ``features``: shape of the encoder's output before the bottleneck. ``widths``: channels of a map by its side.
    """

    features: Shape
    resolution: int
    latent: int
    widths: Widths
    bottleneck: Bottleneck | None
    upsampling: Upsampling
    output: Output
    residual_blocks: int
    norm: Factory | None
    attentions: Attentions
    mask: Factory | None

    @property
    def squeezed(self) -> Shape:
        """The shape of the bottleneck's output."""
        return self.bottleneck.shape(self.features, self.latent, self.widths) if self.bottleneck else self.features

    @property
    def code(self) -> Shape:
        """The shape of the code: the encoder doubles a map of 4 pixels once."""
        shape = self.squeezed
        return Shape(self.widths(2 * SIDE), 2 * SIDE) if shape.side == SIDE else shape

    def sides(self, start: int) -> list[int]:
        """The input sides of the stages from ``start`` up to the resolution."""
        return [start << i for i in range((self.resolution // start).bit_length() - 1)]

    def stages(self, start: Shape, last: int | None = None) -> nn.Sequential:
        """Blocks that double a map of shape ``start`` up to the resolution, or to the side ``last``."""
        stages, channels = nn.Sequential(), start.channels
        for side in self.sides(start.side):
            if side == last:
                break
            name = stage_name(side)
            block = self.upsampling(channels, self.widths(2 * side), slope=SLOPE, norm=self.norm)
            channels = self.widths(2 * side)
            stages.add_module(name, self.attentions.behind(f"decoder.{name}", block, channels))
        return stages


def stage_name(side: int) -> str:
    """The name of the stage that doubles ``side``: up0 for 4 pixels."""
    return f"up{(side // SIDE).bit_length() - 1}"


class DecoderFamily(Protocol):
    """Interface of a decoder family: any ``nn.Module`` with these members."""

    from_features: bool

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        """A code decoded as ``target``."""
        ...


Decoders = Callable[[Sequence[str], DecoderPlan], nn.Module]


class Painter(nn.Module):
    """The last layers of every decoder: residual blocks, a 5x5 convolution to colours, an optional mask head."""

    def __init__(self, plan: DecoderPlan) -> None:
        super().__init__()
        channels = plan.widths(plan.resolution)
        self.residual = nn.Sequential()
        for i in range(1, plan.residual_blocks + 1):
            self.residual.add_module(f"block{i}", ResidualBlock(channels, slope=SLOPE, norm=plan.norm))
        self.colour = SameConv2d(channels, 3, 5)
        self.output = plan.output
        self.mask = plan.mask(channels) if plan.mask else None

    def paint(self, features: Tensor) -> SwapOutput:
        """Features of the last stage (n, channels, R, R) -> colours and alpha."""
        features = self.residual(features)
        return SwapOutput(self.output(self.colour(features)), self.mask(features) if self.mask else None)


class Decoder(Painter):
    """Upsampling stages and a `Painter`: (n, *start) -> colours and alpha in [0, 1]."""

    def __init__(self, plan: DecoderPlan, start: Shape) -> None:
        super().__init__(plan)
        self.up = plan.stages(start)

    def forward(self, code: Tensor, after: nn.ModuleList | None = None) -> SwapOutput:
        """``after``: one layer to apply after each stage."""
        x = code
        for i, stage in enumerate(self.up):
            x = stage(x) if after is None else after[i](stage(x))
        return self.paint(x)


class PerIdentity(nn.ModuleDict):
    """One decoder per identity, nothing shared (deepfakes, December 2017)."""

    from_features = False

    def __init__(self, identities: Sequence[str], plan: DecoderPlan) -> None:
        super().__init__({name: self.one(plan) for name in identities})

    def one(self, plan: DecoderPlan) -> Painter:
        """The decoder of one identity."""
        return Decoder(plan, plan.code)

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return self[target](code)


class ChannelAffine(nn.Module):
    """A learned gain and shift per channel: (n, channels, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def reset_parameters(self) -> None:
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.shift)

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x + self.shift


class Conditioned(nn.Module):
    """One decoder for all identities, conditioned on the target by a gain and a shift per channel after each stage
    (FiLM: Perez et al. 2018, equations 1 and 2), learned directly for each identity."""

    from_features = False

    def __init__(self, identities: Sequence[str], plan: DecoderPlan) -> None:
        super().__init__()
        self.shared = Decoder(plan, plan.code)
        widths = [plan.widths(2 * side) for side in plan.sides(plan.code.side)]
        self.conditions = nn.ModuleDict(
            {name: nn.ModuleList([ChannelAffine(width) for width in widths]) for name in identities}
        )

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return self.shared(code, self.conditions[target])


class SharedTrunk(nn.Module):
    """The first stages are shared by all identities; each identity has its own last ``private_stages`` and heads (the
    reverse of the shared first layers of CoGAN's discriminators: Liu & Tuzel 2016, section 3).

    Raises UserError if no stage is shared.
    """

    from_features = False

    def __init__(
        self, identities: Sequence[str], plan: DecoderPlan, *, private_stages: Annotated[int, Field(ge=0)] = 1
    ) -> None:
        super().__init__()
        sides = plan.sides(plan.code.side)
        if not 0 <= private_stages < len(sides):
            raise UserError(
                f"generator.decoder.private_stages must be 0 to {len(sides) - 1}, so that at least one of {len(sides)} "
                f"stages is shared; got {private_stages} (to share none, set generator/decoder=per_identity)"
            )
        split = (*sides, plan.resolution)[len(sides) - private_stages]
        self.trunk = plan.stages(plan.code, split)
        self.heads = nn.ModuleDict({name: Decoder(plan, Shape(plan.widths(split), split)) for name in identities})

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        return self.heads[target](self.trunk(code))


class Intermediate(nn.Module):
    """A bottleneck with half the usual output channels: (n, *features) -> (n, *shape)."""

    def __init__(self, plan: DecoderPlan) -> None:
        super().__init__()
        assert plan.bottleneck is not None
        given = (plan.features, plan.latent, lambda side: plan.widths(2 * side))
        self.squeeze, self.expand = plan.bottleneck.build(*given)
        self.shape = plan.bottleneck.shape(*given)

    def forward(self, features: Tensor) -> Tensor:
        return self.expand(self.squeeze(features))


class Intermediates(nn.Module):
    """One decoder for all identities, which reads two bottlenecks: a shared one and that of the target (IAE of 2018;
    LIAE of DeepFaceLab: Perov et al. 2020, section 3.2).

    The configured bottleneck is built once for all and once per identity, each with half the channels; the code is the
    encoder's features. Raises UserError without a bottleneck, because nothing would be specific to an identity.
    """

    from_features = True

    def __init__(self, identities: Sequence[str], plan: DecoderPlan) -> None:
        super().__init__()
        if plan.bottleneck is None:
            raise UserError(
                "generator/decoder=intermediate needs a bottleneck for each identity, but generator/bottleneck=none; "
                "choose another one"
            )
        self.common = Intermediate(plan)
        self.own = nn.ModuleDict({name: Intermediate(plan) for name in identities})
        shape = self.common.shape
        self.shared = Decoder(plan, Shape(2 * shape.channels, shape.side))

    def decode(self, code: Tensor, target: str) -> SwapOutput:
        both = torch.cat([self.common(code), self.own[target](code)], 1)
        return self.shared(both.contiguous(memory_format=torch.channels_last))
