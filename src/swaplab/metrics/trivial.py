"""Answers that need no learning. A trained swap means something only where it beats the best of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from swaplab.metrics.pixels import masked_mse

COMPONENTS = 32
FACTORS = tuple(i / 10 for i in range(11))  # tried for k in mean B + k (A - mean A)

LABELS = {
    "copy": "{a} itself",
    "colour_match": "colour-matched {a}",
    "mean": "mean {b}",
    "shifted_mean": "mean {b} + k({a} - mean {a})",
    "components": "colour-matched {a} on {b}'s 32 components",
    "nearest": "nearest training {b}",
}


@dataclass(frozen=True)
class TrivialAnswers:
    """What the training faces of A and B (N, 3, R, R) allow; ``factor`` is k, or None if nothing chose it."""

    train_target: Tensor
    mean_source: Tensor
    mean_target: Tensor
    colour: tuple[Tensor, Tensor, Tensor, Tensor]
    components: Tensor
    factor: float | None

    @classmethod
    def fit(
        cls,
        train_source: Tensor,
        train_target: Tensor,
        validation: tuple[Tensor, Tensor, Tensor] | None,
    ) -> "TrivialAnswers":
        """From training faces; k has the lowest mean MSE on ``validation`` = (query, truth, mask)."""
        mean_source, mean_target = train_source.mean(0), train_target.mean(0)
        return cls(
            train_target,
            mean_source,
            mean_target,
            (*colour_statistics(train_source), *colour_statistics(train_target)),
            principal_components(train_target, COMPONENTS),
            None if validation is None else best_factor(mean_source, mean_target, *validation),
        )

    def __call__(self, query: Tensor) -> dict[str, Tensor]:
        """Each answer to ``query`` (N, 3, R, R), clipped to [0, 1], by the keys of ``LABELS``."""
        matched = self.colour_match(query)
        answers = {
            "copy": query,
            "colour_match": matched,
            "mean": self.mean_target.expand_as(query),
            "components": self.on_components(matched),
            "nearest": self.nearest(matched),
        }
        if self.factor is not None:
            answers["shifted_mean"] = shifted_mean(self.mean_source, self.mean_target, query, self.factor)
        return {key: answers[key] for key in LABELS if key in answers}

    def colour_match(self, query: Tensor) -> Tensor:
        """``query`` with each channel's mean and deviation turned into B's (Reinhard et al. 2001, in RGB)."""
        mean_source, deviation_source, mean_target, deviation_target = self.colour
        return ((query - mean_source) / deviation_source * deviation_target + mean_target).clamp(0, 1)

    def on_components(self, query: Tensor) -> Tensor:
        """``query`` projected on B's first principal components (eigenfaces, Turk & Pentland 1991)."""
        centred = (query - self.mean_target).flatten(1)
        projected = centred @ self.components.T @ self.components
        return (projected.view_as(query) + self.mean_target).clamp(0, 1)

    def nearest(self, query: Tensor) -> Tensor:
        """The training face of B with the lowest squared error to each query."""
        flat, known = query.flatten(1).double(), self.train_target.flatten(1).double()
        return self.train_target[(known.square().sum(1) - 2 * flat @ known.T).argmin(1)]


def colour_statistics(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1) of each channel over all faces and pixels."""
    deviation, mean = torch.std_mean(faces.double(), dim=(0, 2, 3), correction=0)
    return mean.float()[:, None, None], deviation.float().clamp_min(1e-6)[:, None, None]


def principal_components(faces: Tensor, count: int) -> Tensor:
    """The first ``count`` principal components (count, 3 R R) of ``faces``, orthonormal; or all there are."""
    centred = (faces - faces.mean(0)).flatten(1).double()
    # The eigenvectors of the small Gram matrix give those of the covariance (Turk & Pentland 1991, section
    # 2).
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    kept = (values > values[-1].clamp_min(1e-12) * 1e-9).flip(0)[:count]
    weights = vectors.flip(1)[:, :count][:, kept]
    components = weights.T @ centred
    return (components / components.norm(dim=1, keepdim=True)).float()


def shifted_mean(mean_source: Tensor, mean_target: Tensor, query: Tensor, factor: float) -> Tensor:
    """mean B + k (A - mean A), clipped to [0, 1]: the mean face moved by what is unusual in the query."""
    return (mean_target + factor * (query - mean_source)).clamp(0, 1)


def best_factor(mean_source: Tensor, mean_target: Tensor, query: Tensor, truth: Tensor, mask: Tensor) -> float:
    """The one of ``FACTORS`` with the lowest mean squared error on these frames."""
    errors = {
        factor: float(masked_mse(shifted_mean(mean_source, mean_target, query, factor), truth, mask).mean())
        for factor in FACTORS
    }
    return min(errors, key=errors.__getitem__)
