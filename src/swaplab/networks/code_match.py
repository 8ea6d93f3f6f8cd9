"""Codes of one identity moved to where another identity's codes lie, before they are decoded as that identity.

A shared encoder is never told that the codes of two people shall mean the same, only that each decoder can read its
own. What both show alike (a wide mouth, a long nose) may so become an offset between their codes, and a decoder reads
it as a state: the swapped head is turned or its mouth opened. Two decoders with one distribution of codes have no such
offset.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class CodeMoments(nn.Module):
    """Matches mean and standard deviation of every unit of the code over a sample of training faces.

    The map of adaptive instance normalisation (Huang & Belongie 2017, equation 8) with the moments of an identity in the
    place of those of a picture; for independent Gaussian units it is the optimal transport between the two
    distributions. It takes what differs *on average* for identity: people filmed in unlike poses or light want
    ``code_match=none``.

    Until `measure` was called for both identities it changes nothing, and training never calls it: only the averaged
    network that is validated and kept is measured. ``shape`` is that of one code.
    """

    # Share of the mean deviation that is added to each, so that units which never fire do not divide by zero.
    _FLOOR = 0.01

    mean: Tensor
    deviation: Tensor
    measured: Tensor

    def __init__(self, identities: Sequence[str], shape: Sequence[int]) -> None:
        super().__init__()
        self.rows = {name: row for row, name in enumerate(identities)}
        self.register_buffer("mean", torch.zeros(len(self.rows), *shape))
        self.register_buffer("deviation", torch.ones(len(self.rows), *shape))
        self.register_buffer("measured", torch.zeros(len(self.rows)))

    @torch.no_grad()
    def measure(self, name: str, codes: Tensor) -> None:
        """Take the moments of ``name`` from its codes (n, *shape), n >= 2."""
        row = self.rows[name]
        deviation, mean = torch.std_mean(codes.to(self.mean.dtype), 0)
        self.mean[row] = mean
        self.deviation[row] = deviation + self._FLOOR * deviation.mean()
        self.measured[row] = 1

    def forward(self, codes: Tensor, source: str, target: str) -> Tensor:
        """Codes (n, *shape) of ``source`` as ``target`` would have them."""
        a, b = self.rows[source], self.rows[target]
        if a == b:
            return codes
        known = self.measured[a] * self.measured[b]
        moved = (codes - self.mean[a]) / self.deviation[a] * self.deviation[b] + self.mean[b]
        return torch.lerp(codes, moved.to(codes.dtype), known.to(codes.dtype))
