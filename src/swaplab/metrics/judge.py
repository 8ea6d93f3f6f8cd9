"""All metrics of one answer (a model, a trivial baseline or a ceiling) to one task."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from swaplab.metrics import retrieval, sharpness
from swaplab.metrics.identity import IdentityScale, thinned
from swaplab.metrics.landmarks import QueryLandmarks
from swaplab.metrics.pixels import (
    copy_ratio,
    large,
    leak,
    mask_iou,
    masked_error,
    masked_mse,
    psnr,
    score,
    ssim,
    telling,
)
from swaplab.metrics.task import RetrievalSet, SwapTask


@dataclass(frozen=True)
class Answer:
    """The images of one method for a task; ``kind`` is ``model``, ``trivial`` or ``ceiling``.

    ``image``: swaps of the task's queries (N, 3, R, R), with the predicted ``mask`` (N, 1, R, R), if any.
    ``retrieval``: swaps of the queries of each retrieval set except ``mixed``. ``reconstruction``: the source's frames
    as the source. ``identity``: faces (n, 3, R, R) whose identity is measured, if not ``image``.
    """

    key: str
    label: str
    kind: str
    image: Tensor | None
    retrieval: Mapping[str, Tensor] = field(default_factory=dict)
    reconstruction: Tensor | None = None
    mask: Tensor | None = None
    identity: Tensor | None = None


@dataclass(frozen=True)
class Measured:
    """One metric of one answer: ``values`` (n,), one per frame, float64, and the clip of each."""

    values: Tensor
    clips: list[str]

    @property
    def mean(self) -> float:
        return float(self.values.mean())


@dataclass(frozen=True)
class Row:
    """Means of one answer by metric name; ``kind`` is ``model``, ``trivial`` or ``ceiling``."""

    key: str
    label: str
    kind: str
    values: dict[str, float]


def scored(answer: Answer, measured: Mapping[str, Measured], trivial_mse: Tensor | None) -> Row:
    """The means of an answer; first its score relative to the errors (N,) of the best trivial baseline, if known."""
    values = {name: found.mean for name, found in measured.items()}
    if trivial_mse is not None and "mse" in measured:
        values = {"score": score(measured["mse"].values, trivial_mse)} | values
    return Row(answer.key, answer.label, answer.kind, values)


class Judge:
    """Measures answers to ``task``, with the same candidates, centroids and mask for all of them.

    ``landmarks``: those of the `thinned` queries. ``seed``: for retrieval candidates.
    """

    def __init__(self, task: SwapTask, identity: IdentityScale, landmarks: QueryLandmarks, seed: int) -> None:
        self.task, self.identity, self.landmarks = task, identity, landmarks
        self.sets = {
            kind: (frames, retrieval.candidates(frames.clips, frames.times, seed))
            for kind, frames in task.retrieval_sets.items()
        }
        reference = task.query if task.truth is None else task.truth
        self.spectrum = sharpness.spectrum(reference)
        self.tenengrad = sharpness.tenengrad(reference, task.mask)
        self.telling = telling(task.query, reference, task.mask)
        self.looked_at = thinned(task.query)

    @property
    def chance(self) -> dict[str, float]:
        """The value of a random guess, by metric name."""
        counts = {kind: int(chosen[0].sum()) for kind, (_, chosen) in self.sets.items()}
        top1 = {f"retrieval_top1[{kind}]@{n}": 1 / n for kind, n in counts.items()}
        reciprocal = {
            f"retrieval_mrr[{kind}]@{n}": sum(1 / rank for rank in range(1, n + 1)) / n for kind, n in counts.items()
        }
        correlations = {f"{name}_correlation[{self.landmarks.finder.name}]": 0.0 for name in self.landmarks.spread}
        return top1 | reciprocal | correlations

    def measure(self, answer: Answer) -> dict[str, Measured]:
        """All metrics that apply to the answer, by full name."""
        values: dict[str, Tensor] = {}
        if answer.image is not None:
            values |= self._swap(answer.image) | self._spectrum(answer.image)
        if answer.mask is not None and self.task.query_mask is not None:
            values["mask_iou"] = mask_iou(answer.mask, self.task.query_mask)
        if answer.reconstruction is not None:
            values |= self._reconstruction(answer.reconstruction)
        measured = {name: Measured(value, self.task.clips) for name, value in values.items()}
        of_image = self._partial(answer.image) if answer.image is not None else {}
        return measured | of_image | self._retrieval(answer) | self._identity(answer) | self._landmarks(answer)

    def _swap(self, image: Tensor) -> dict[str, Tensor]:
        task = self.task
        if task.truth is None:
            return {}
        mse = masked_mse(image, task.truth, task.mask)
        return {
            "mse": mse,
            "psnr": psnr(mse),
            "ssim": ssim(image, task.truth, task.mask),
        }

    def _partial(self, image: Tensor) -> dict[str, Measured]:
        """Metrics that exist only for some frames: those with the region, with a true change, or with gradients."""
        task, values = self.task, dict[str, tuple[Tensor, Tensor]]()
        if task.truth is not None:
            shown = image, task.query, task.truth, task.mask
            values |= {"leak": (leak(*shown), self.telling), "copy_ratio": (copy_ratio(*shown), self.telling)}
            for region, mask in task.regions.items():
                values[f"error[{region}]"] = masked_error(image, task.truth, mask), large(mask)
        for region, mask in task.kept_regions.items():
            values[f"kept_error[{region}]"] = masked_error(image, task.query, mask), large(mask)
        against = "query" if task.truth is None else "truth"
        ratio = sharpness.tenengrad(image, task.mask) / self.tenengrad
        values[f"tenengrad_ratio[{against}]"] = ratio, self.tenengrad > 0
        return {name: self._of(found, asked) for name, (found, asked) in values.items() if asked.any()}

    def _of(self, values: Tensor, asked: Tensor) -> Measured:
        return Measured(values[asked], [clip for clip, yes in zip(self.task.clips, asked.tolist(), strict=True) if yes])

    def _spectrum(self, image: Tensor) -> dict[str, Tensor]:
        """Compared with the true swap, or without one with the query, where coherence would mean nothing."""
        task, against = self.task, "query" if self.task.truth is None else "truth"
        spectrum, bands = sharpness.spectrum(image), sharpness.octaves(image.shape[-1])
        ratios = sharpness.octave_log_ratio(spectrum, self.spectrum)
        values = {
            "high_frequency_share": sharpness.high_frequency_share(spectrum),
            f"spectral_gap[{against}]": ratios.abs().mean(1),
        }
        for (low, high), ratio in zip(bands, ratios.T, strict=True):
            values[f"octave_log2[{against}:{low:g}-{high:g}]"] = ratio
        if task.truth is not None:
            for low, high in bands[:2]:
                values[f"coherence[{low:g}-{high:g}]"] = sharpness.coherence(spectrum, self.spectrum, (low, high))
        return values

    def _reconstruction(self, image: Tensor) -> dict[str, Tensor]:
        query = self.task.query
        mask = torch.ones_like(query[:, :1]) if self.task.query_mask is None else self.task.query_mask
        error = masked_mse(image, query, mask)
        return {"reconstruction_psnr": psnr(error), "reconstruction_ssim": ssim(image, query, mask)}

    def _retrieval(self, answer: Answer) -> dict[str, Measured]:
        measured: dict[str, Measured] = {}
        for kind, (frames, chosen) in self.sets.items():
            image = answer.image if kind == "mixed" else answer.retrieval.get(kind)
            if image is None:
                continue
            ranks = self._ranks(image, frames, chosen)
            count = int(chosen[0].sum())
            top1, reciprocal = (ranks == 1).double(), 1 / ranks.double()
            measured[f"retrieval_top1[{kind}]@{count}"] = Measured(top1, frames.clips)
            measured[f"retrieval_mrr[{kind}]@{count}"] = Measured(reciprocal, frames.clips)
        return measured

    def _ranks(self, image: Tensor, frames: RetrievalSet, chosen: Tensor) -> Tensor:
        distances = retrieval.masked_distances(image, frames.truth, frames.truth_mask)
        return retrieval.true_ranks(distances, chosen)

    def _identity(self, answer: Answer) -> dict[str, Measured]:
        faces = answer.image if answer.identity is None else answer.identity
        if faces is None:
            return {}
        chosen = thinned(faces)
        clips = [self.task.clips[i] for i in chosen] if answer.identity is None else [""] * len(chosen)
        return {name: Measured(values, clips) for name, values in self.identity.measure(faces[chosen]).items()}

    def _landmarks(self, answer: Answer) -> dict[str, Measured]:
        if answer.image is None:
            return {}
        clips = [self.task.clips[i] for i in self.looked_at]
        found = self.landmarks.measure(answer.image[self.looked_at])
        return {name: Measured(values, clips) for name, values in found.items()}
