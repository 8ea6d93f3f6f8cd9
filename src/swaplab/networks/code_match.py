"""Map the codes of one identity to the distribution of another identity's codes, before they are decoded as it.

Nothing in the training of a shared encoder makes the codes of two people mean the same; it only makes each decoder read
its own. A difference between their faces (a wide mouth, a long nose) may therefore become an offset or scale of their
codes, which a decoder reads as a state: it turns the swapped head too far or opens its mouth. Two identities with the
same distribution of codes have no such difference.

A match attributes every *average* difference to identity. For people filmed in different poses or light, use
``generator/code_match=none``. A match changes nothing until `measure` is called. Training never calls it: only the
averaged network, which is validated and saved, is measured.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from swaplab.ranges import Count, NotNegative


class CodeMoments(nn.Module):
    """Gives every unit of the code the target's mean and standard deviation (Huang & Belongie 2017, equation 8).

    The paper takes them from one image, here they come from a sample of an identity's training faces. ``shape``: of one
    code.
    """

    # Share of the average standard deviation added to each, to avoid division by zero for units that are never active.
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
        """Measure the moments of every identity on its codes (n, *shape), n >= 2."""
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
    """Gives codes the target's mean and covariance by optimal transport (Peyre & Cuturi 2019, remark 2.31).

    Between two Gaussians this is x -> mean_b + (x - mean_a) M with M = A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 for
    covariances A and B. Of all linear maps between them it moves codes least, so what both identities share stays in
    place. Covariances are taken in the space of the first ``rank`` principal components of all identities together; the
    remainder of a code keeps its deviation from the mean.

    ``shape``: of one code. ``ridge`` is added to every variance, as a share of the mean variance. ``prior``: each
    covariance is shrunk towards the mean of all as if by this many additional faces, because few faces estimate a
    covariance poorly.
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
        # each map minus the identity: zero until measured
        self.register_buffer("maps", torch.zeros(len(self.rows), len(self.rows), self.rank, self.rank))

    @torch.no_grad()
    def measure(self, codes: Mapping[str, Tensor]) -> None:
        """Measure means, components and maps on the codes (n, *shape) of every identity."""
        samples = {name: sample.flatten(1).double() for name, sample in codes.items()}
        centred = {name: sample - sample.mean(0) for name, sample in samples.items()}
        for name, sample in samples.items():
            self.mean[self.rows[name]] = sample.mean(0)
        found = _components(torch.cat(list(centred.values())), self.rank)
        # with fewer faces than components, the missing ones stay zero and change nothing
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
    """The first principal directions (rank, size) of samples (n, size), from their n x n inner products."""
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    values, vectors = values[-rank:], vectors[:, -rank:]
    directions = vectors.T @ centred
    # directions without variance stay zero and change nothing
    filled = values > values[-1] * 1e-10
    return torch.where(filled[:, None], directions / values.clamp_min(1e-30).sqrt()[:, None], 0.0)


def _shrunk(coordinates: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """The covariance of each sample (n, rank), weighted by n, averaged with the mean of all, weighted by ``weight``."""
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
