"""Normalisation layers: each is built for a number of channels."""

from torch import nn


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu & He 2018, section 3): statistics per sample, so batch size and ranks do not matter.

    Shape: (n, channels, h, w) -> same; before the affine map each group of a sample has mean 0 and variance 1.
    Raises ValueError if ``groups`` does not divide ``channels``.
    """

    def __init__(self, channels: int, *, groups: int = 8, eps: float = 1e-5) -> None:
        if channels % groups:
            raise ValueError(f"norm.groups={groups} does not divide a width of {channels}; choose a divisor of it")
        super().__init__(groups, channels, eps)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe & Szegedy 2015, algorithm 1) over the faces of this rank.

    Shape: (n, channels, h, w) -> same. ``momentum`` is the weight of the newest batch in the running statistics.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__(channels, eps, momentum)
