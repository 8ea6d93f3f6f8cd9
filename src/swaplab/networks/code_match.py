"""Codes of one identity moved to where another identity's codes lie, before they are decoded as that identity.

A shared encoder is never told that the codes of two people shall mean the same, only that each decoder can read its
own. What their faces differ in (a wide mouth, a long nose) may so become an offset or another scale of their codes, and
a decoder reads it as a state: the swapped head is turned too far or its mouth opened. Two identities with one
distribution of codes have no such difference.

A matching takes what differs *on average* for identity: people filmed in unlike poses or light want
``code_match=none``. Until `measure` was called it changes nothing, and training never calls it: only the averaged
network that is validated and kept is measured.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from swaplab.ranges import Count, NotNegative


class CodeMoments(nn.Module):
    """Gives every unit of the code the target's mean and standard deviation (Huang & Belongie 2017, equation 8).

    There they are those of a picture, here those of an identity over a sample of its training faces. ``shape`` is that
    of one code.
    """

    # Share of the mean deviation that is added to each, so that units which never fire do not divide by zero.
    _FLOOR = 0.01

    mean: Tensor
    deviation: Tensor

    def __init__(self, identities: Sequence[str], shape: Sequence[int]) -> None:
        super().__init__()
        self.rows = {name: row for row, name in enumerate(identities)}
        self.register_buffer("mean", torch.zeros(len(self.rows), *shape))
        self.register_buffer("deviation", torch.ones(len(self.rows), *shape))

    @torch.no_grad()
    def measure(self, codes: Mapping[str, Tensor]) -> None:
        """Take the moments of every identity from its codes (n, *shape), n >= 2."""
        for name, sample in codes.items():
            deviation, self.mean[self.rows[name]] = torch.std_mean(sample, 0)
            self.deviation[self.rows[name]] = deviation + self._FLOOR * deviation.mean()

    def forward(self, codes: Tensor, source: str, target: str) -> Tensor:
        """Codes (n, *shape) of ``source`` as ``target`` would have them."""
        a, b = self.rows[source], self.rows[target]
        if a == b:
            return codes
        moved = (codes - self.mean[a]) / self.deviation[a] * self.deviation[b] + self.mean[b]
        return moved.to(codes.dtype)


class CodeTransport(nn.Module):
    """Gives codes the target's mean and covariance by the shortest way (Peyre & Cuturi 2019, remark 2.31).

    That is the optimal transport between two Gaussians, x -> mean_b + (x - mean_a) M with
    M = A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 for covariances A and B. Of all linear maps between them it moves codes least,
    so what both identities share stays where it is. Covariances are taken in the space of the first ``rank`` principal
    components of all identities together; the rest of a code keeps its deviation from the mean. Few faces say little of
    a covariance: each is drawn to the mean of all as ``prior`` more faces of that would draw it.
    ``shape`` is that of one code; ``ridge`` is added to every variance, as a share of the mean one.
    """

    mean: Tensor
    basis: Tensor
    maps: Tensor

    def __init__(
        self,
        identities: Sequence[str],
        shape: Sequence[int],
        *,
        rank: Count = 64,
        ridge: NotNegative = 0.01,
        prior: NotNegative = 64,
    ) -> None:
        super().__init__()
        self.rows = {name: row for row, name in enumerate(identities)}
        size = int(torch.Size(shape).numel())
        self.rank, self.ridge, self.prior = min(rank, size), ridge, prior
        self.register_buffer("mean", torch.zeros(len(self.rows), size))
        self.register_buffer("basis", torch.zeros(self.rank, size))
        # what a map adds to a code's coordinates: nothing, before it is measured
        self.register_buffer("maps", torch.zeros(len(self.rows), len(self.rows), self.rank, self.rank))

    @torch.no_grad()
    def measure(self, codes: Mapping[str, Tensor]) -> None:
        """Take means, components and maps from the codes (n, *shape) of every identity."""
        samples = {name: sample.flatten(1).double() for name, sample in codes.items()}
        centred = {name: sample - sample.mean(0) for name, sample in samples.items()}
        for name, sample in samples.items():
            self.mean[self.rows[name]] = sample.mean(0)
        found = _components(torch.cat(list(centred.values())), self.rank)
        # fewer faces than components: nothing is moved along the missing ones
        self.basis.zero_()[: len(found)] = found.to(self.basis.dtype)
        basis = self.basis.double()
        covariances = _shrunk({name: sample @ basis.T for name, sample in centred.items()}, self.prior)
        ridge = self.ridge * torch.stack([c.trace() for c in covariances.values()]).mean() / self.rank
        still = torch.eye(self.rank, dtype=basis.dtype, device=basis.device)
        for a, of_a in covariances.items():
            for b, of_b in covariances.items():
                if a != b:
                    self.maps[self.rows[a], self.rows[b]] = (
                        _transport(of_a + ridge * still, of_b + ridge * still) - still
                    )

    def forward(self, codes: Tensor, source: str, target: str) -> Tensor:
        """Codes (n, *shape) of ``source`` as ``target`` would have them."""
        a, b = self.rows[source], self.rows[target]
        if a == b:
            return codes
        centred = codes.flatten(1) - self.mean[a]
        moved = centred + centred @ self.basis.T @ self.maps[a, b] @ self.basis + self.mean[b]
        return moved.to(codes.dtype).view_as(codes)


def _components(centred: Tensor, rank: int) -> Tensor:
    """The first principal directions (rank, size) of samples (n, size), by their n x n inner products."""
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    values, vectors = values[-rank:], vectors[:, -rank:]
    directions = vectors.T @ centred
    # directions that the samples do not fill stay zero: nothing is moved along them
    filled = values > values[-1] * 1e-10
    return torch.where(filled[:, None], directions / values.clamp_min(1e-30).sqrt()[:, None], 0.0)


def _shrunk(coordinates: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Covariance of each sample (n, rank), weighed by n, with the mean of all, weighed by ``weight``."""
    covariances = {name: torch.cov(sample.T) for name, sample in coordinates.items()}
    pooled = torch.stack(list(covariances.values())).mean(0)
    counts = {name: len(sample) for name, sample in coordinates.items()}
    return {name: (counts[name] * c + weight * pooled) / (counts[name] + weight) for name, c in covariances.items()}


def _root(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-30) ** exponent) @ vectors.T


def _transport(of_a: Tensor, of_b: Tensor) -> Tensor:
    half, inverse = _root(of_a, 0.5), _root(of_a, -0.5)
    return inverse @ _root(half @ of_b @ half, 0.5) @ inverse
