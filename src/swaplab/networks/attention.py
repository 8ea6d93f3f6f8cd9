"""Attention layers, each built for a number of channels: (n, channels, h, w) -> same."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.networks.blocks import Factory, SameConv2d
from swaplab.networks.regularisation import RegularisedConv2d, he_normal
from swaplab.ranges import Count


def attended(wanted: Sequence[str] | None, sites: Sequence[str], default: Sequence[str], owner: str) -> tuple[str, ...]:
    """The ``sites`` of a network (such as "encoder.down2") that carry an attention.

    ``wanted``: names from the config, None for ``default``. Names of other networks (another first component) are
    ignored. Raises UserError for an unknown name of this network, which the message calls ``owner``.
    """
    if wanted is None:
        return tuple(default)
    parts = {site.split(".")[0] for site in sites}
    own = tuple(site for site in wanted if site.split(".")[0] in parts)
    unknown = sorted(set(own) - set(sites))
    if unknown:
        raise UserError(
            f"{owner} has no attention site {unknown[0]!r}; choose from {', '.join(sites)}, or set "
            f"attention_sites=null for {', '.join(default)}"
        )
    return own


def _pixels(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h w, c)."""
    return x.flatten(2).transpose(1, 2)


class SelfAttention(nn.Module):
    """Self-attention of SAGAN (Zhang et al. 2018, section 3) as in faceswap-GAN v2.2: out = gamma * O + x.

    O of a pixel is the mean of all values, weighted by the softmax of query . key, unscaled. Queries and keys have
    channels / ``squeeze`` channels, values have all; every 1x1 convolution has a bias; gamma is a scalar that starts at
    0. (SAGAN's own code halves the values and pools the keys.)

    ``streaming`` never holds the whole (h w, h w) map, so memory grows linearly with the number of pixels, not with its
    square. Results agree up to rounding. It has no second derivative: do not use it in a discriminator with a gradient
    penalty. Raises UserError if ``squeeze`` does not divide ``channels``.
    """

    def __init__(self, channels: int, *, squeeze: Count = 8, streaming: bool = False) -> None:
        super().__init__()
        if channels % squeeze:
            raise UserError(f"attention.squeeze={squeeze} must divide the number of channels, {channels}")
        self.streaming = streaming
        self.query = RegularisedConv2d(channels, channels // squeeze, 1)
        self.key = RegularisedConv2d(channels, channels // squeeze, 1)
        self.value = RegularisedConv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gamma)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (_pixels(layer(x)) for layer in (self.query, self.key, self.value))
        attend = _streamed if self.streaming else _naive
        weighted = attend(query, key, value).transpose(1, 2).unflatten(2, x.shape[2:])
        return self.gamma * weighted + x


def _naive(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T) value; (n, p, d), (n, p, d), (n, p, c) -> (n, p, c)."""
    return torch.softmax(query @ key.transpose(1, 2), -1) @ value


def _streamed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Same as `_naive`, by a kernel that processes the map in blocks."""
    # such kernels need queries as wide as values; zero channels change no product
    missing = value.shape[2] - query.shape[2]
    query, key = F.pad(query, (0, missing)), F.pad(key, (0, missing))
    query, key, value = (x.unsqueeze(1).contiguous() for x in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, scale=1.0).squeeze(1)


class ChannelAttention(nn.Module):
    """Attention between channels (DANet, Fu et al. 2019, section 3.3): out = gamma * O + x, gamma starts at 0.

    The affinity of two channels is their product over all pixels; O weights channels by the softmax of (row maximum -
    affinity), which has no parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gamma)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        affinity = flat @ flat.transpose(1, 2)
        weights = torch.softmax(affinity.amax(-1, keepdim=True) - affinity, -1)
        return self.gamma * (weights @ flat).unflatten(2, x.shape[2:]) + x


class _ConvReLU(nn.Module):
    """3x3 convolution without bias, ReLU, optional norm."""

    def __init__(self, channels: int, norm: Factory | None) -> None:
        super().__init__()
        self.conv = RegularisedConv2d(channels, channels, 3, bias=False, init=he_normal)
        self.norm = norm(channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.conv(x)))


class DualAttention(nn.Module):
    """Position and channel attention in parallel, summed (DANet, Fu et al. 2019, figure 2), as in faceswap-GAN v2.2,
    which defines it but never uses it.

    Each branch: 3x3 convolution, attention, 3x3 convolution. ``norm`` builds a norm for a number of channels.
    """

    def __init__(
        self, channels: int, *, squeeze: Count = 8, streaming: bool = False, norm: Factory | None = None
    ) -> None:
        super().__init__()
        attentions = {
            "position": SelfAttention(channels, squeeze=squeeze, streaming=streaming),
            "channel": ChannelAttention(),
        }
        for name, attention in attentions.items():
            branch = nn.Sequential(_ConvReLU(channels, norm), attention, _ConvReLU(channels, norm))
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return self.position(x) + self.channel(x)  # type: ignore[operator]


class MultiHeadAttention(nn.Module):
    """Multi-head scaled dot-product attention over pixels (Vaswani et al. 2017, section 3.2), added to its input.

    The output projection starts at 0, so the layer starts as the identity. It has no second derivative (see
    `SelfAttention`). Raises UserError if ``heads`` does not divide ``channels``.
    """

    streaming = True

    def __init__(self, channels: int, *, heads: Count = 4) -> None:
        super().__init__()
        if channels % heads:
            raise UserError(f"attention.heads={heads} must divide the number of channels, {channels}")
        self.heads = heads
        self.query, self.key, self.value = (SameConv2d(channels, channels, 1) for _ in range(3))
        self.out = SameConv2d(channels, channels, 1, init=nn.init.zeros_)

    def forward(self, x: Tensor) -> Tensor:
        split = [
            _pixels(layer(x)).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        ]
        mixed = F.scaled_dot_product_attention(*split).transpose(2, 3).flatten(1, 2)
        return x + self.out(mixed.unflatten(2, x.shape[2:]))
