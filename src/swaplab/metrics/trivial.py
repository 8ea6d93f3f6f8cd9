"""Trivial baselines, which need no learning. A trained swap is worth something only if it beats the best of them.

They get the face masks, if known, so that hair and background, on which no swap is measured, affect neither colours
nor components.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from swaplab.metrics.pixels import masked_mse

COMPONENTS = 32
FACTORS = tuple(i / 10 for i in range(11))  # candidates for k in mean B + k (A - mean A)

LABELS = {
    "copy": "{a} itself",
    "colour_match": "colour-matched {a}",
    "mean": "mean {b}",
    "shifted_mean": "mean {b} + k({a} - mean {a})",
    "components": "colour-matched {a} on {b}'s 32 components",
    "nearest": "nearest training {b}",
}


@dataclass(frozen=True)
class MaskedFaces:
    """Faces (N, 3, R, R) and their face masks (N, 1, R, R), in [0, 1]; unknown masks are all ones."""

    faces: Tensor
    mask: Tensor

    @classmethod
    def of(cls, faces: Tensor, mask: Tensor | None) -> "MaskedFaces":
        """Faces with their masks, or ones without masks."""
        return cls(faces, torch.ones_like(faces[:, :1]) if mask is None else mask)

    def mean(self) -> Tensor:
        """Mean face (3, R, R): each pixel's mean where the masks cover it; where they hardly do, the mean of all."""
        weight = self.mask + 1e-3
        return (weight * self.faces).sum(0) / weight.sum(0)

    def over(self, background: Tensor) -> Tensor:
        """The faces (N, 3, R, R) with ``background`` (3, R, R) around them."""
        return background + self.mask * (self.faces - background)

    def colours(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (3, 1, 1) of each channel over all face pixels."""
        faces, weight = self.faces.double(), self.mask.double() / self.mask.sum(dtype=torch.float64)
        mean = (weight * faces).sum((0, 2, 3))[:, None, None]
        variance = (weight * (faces - mean).square()).sum((0, 2, 3))[:, None, None]
        return mean.float(), variance.sqrt().float().clamp_min(1e-6)


@dataclass(frozen=True)
class TrivialAnswers:
    """Trivial baselines fitted to training faces of A and B. ``factor``: k of the shifted mean, or None."""

    train_target: MaskedFaces
    mean_source: Tensor
    mean_target: Tensor
    colours: tuple[Tensor, Tensor, Tensor, Tensor]
    components: Tensor
    factor: float | None

    @classmethod
    def fit(
        cls,
        train_source: MaskedFaces,
        train_target: MaskedFaces,
        validation: tuple[MaskedFaces, MaskedFaces] | None,
    ) -> "TrivialAnswers":
        """Fit to training faces; k minimises the mean MSE on ``validation`` = (queries, true swaps)."""
        mean_source, mean_target = train_source.mean(), train_target.mean()
        return cls(
            train_target,
            mean_source,
            mean_target,
            (*train_source.colours(), *train_target.colours()),
            principal_components(train_target.over(mean_target) - mean_target, COMPONENTS),
            None if validation is None else best_factor(mean_source, mean_target, *validation),
        )

    def __call__(self, query: MaskedFaces) -> dict[str, Tensor]:
        """The image (N, 3, R, R) in [0, 1] of each baseline, by the keys of ``LABELS``."""
        matched = self.colour_match(query.faces)
        on_mean = MaskedFaces(matched, query.mask).over(self.mean_target)
        answers = {
            "copy": query.faces,
            "colour_match": matched,
            "mean": self.mean_target.expand_as(query.faces),
            "components": self.on_components(on_mean),
            "nearest": self.nearest(on_mean),
        }
        if self.factor is not None:
            answers["shifted_mean"] = shifted_mean(self.mean_source, self.mean_target, query, self.factor)
        return {key: answers[key] for key in LABELS if key in answers}

    def colour_match(self, query: Tensor) -> Tensor:
        """``query`` with each channel's mean and standard deviation mapped to B's (Reinhard et al. 2001, in RGB)."""
        mean_source, deviation_source, mean_target, deviation_target = self.colours
        return ((query - mean_source) / deviation_source * deviation_target + mean_target).clamp(0, 1)

    def on_components(self, query: Tensor) -> Tensor:
        """``query`` projected on B's first principal components (eigenfaces, Turk & Pentland 1991)."""
        centred = (query - self.mean_target).flatten(1)
        projected = centred @ self.components.T @ self.components
        return (projected.view_as(query) + self.mean_target).clamp(0, 1)

    def nearest(self, query: Tensor) -> Tensor:
        """The training face of B with the lowest squared error, both on the mean face as background."""
        flat, known = (x.flatten(1).double() for x in (query, self.train_target.over(self.mean_target)))
        return self.train_target.faces[(known.square().sum(1) - 2 * flat @ known.T).argmin(1)]


def principal_components(centred: Tensor, count: int) -> Tensor:
    """The first principal components (k, 3 R R) of ``centred`` faces, orthonormal; k is at most ``count``."""
    flat = centred.flatten(1).double()
    # the eigenvectors of the small Gram matrix give those of the covariance (Turk & Pentland 1991, section 2)
    values, vectors = torch.linalg.eigh(flat @ flat.T)
    kept = (values > values[-1].clamp_min(1e-12) * 1e-9).flip(0)[:count]
    components = vectors.flip(1)[:, :count][:, kept].T @ flat
    return (components / components.norm(dim=1, keepdim=True)).float()


def shifted_mean(mean_source: Tensor, mean_target: Tensor, query: MaskedFaces, factor: float) -> Tensor:
    """mean B + k (A - mean A), clipped to [0, 1]: B's mean face plus the query's deviation from A's mean."""
    return (mean_target + factor * (query.over(mean_source) - mean_source)).clamp(0, 1)


def best_factor(mean_source: Tensor, mean_target: Tensor, query: MaskedFaces, truth: MaskedFaces) -> float:
    """The value in ``FACTORS`` with the lowest mean squared error inside the true swaps' face masks."""
    errors = {}
    for factor in FACTORS:
        answer = shifted_mean(mean_source, mean_target, query, factor)
        errors[factor] = float(masked_mse(answer, truth.faces, truth.mask).mean())
    return min(errors, key=errors.__getitem__)
