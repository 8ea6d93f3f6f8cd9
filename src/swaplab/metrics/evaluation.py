"""A model, the trivial answers and the ceilings on one task, measured alike."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from swaplab.metrics.catalogue import goodness, metric, order
from swaplab.metrics.identity import Embedder
from swaplab.metrics.intervals import clip_interval, clip_means
from swaplab.metrics.judge import Answer, Judge, Measured
from swaplab.metrics.landmarks import LandmarkFinder
from swaplab.metrics.pixels import score
from swaplab.metrics.task import SwapTask
from swaplab.metrics.trivial import LABELS, MaskedFaces, TrivialAnswers

BATCH = 64


class Swapper(Protocol):
    """What is measured: a model in inference mode, without gradients or randomness."""

    def swap(self, faces: Tensor, source: str, target: str) -> tuple[Tensor, Tensor | None, Tensor]:
        """Faces (N, 3, R, R) of ``source`` in [0, 1] -> raw, mask (N, 1, R, R) or None, composed."""
        ...


@dataclass(frozen=True)
class Row:
    """Means of one answer by metric name; ``kind`` is ``model``, ``trivial`` or ``ceiling``."""

    key: str
    label: str
    kind: str
    values: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """One direction of one split. Plain values only: `as_json` is its form in the run record.

    ``rows``: the model first, then its raw output if it has a mask, the trivial answers, the ceilings.
    ``metrics``: by name its group, better side, meaning, chance and best trivial answer. ``intervals``: 95 %,
    the model's clips resampled. ``per_clip``: the model's means by clip; ``per_frame``: its values by metric,
    in the order of ``frames``. ``settings``: what the numbers depend on.
    """

    direction: str
    split: str
    rows: list[Row]
    metrics: dict[str, dict[str, Any]]
    intervals: dict[str, tuple[float, float]]
    per_clip: dict[str, dict[str, float]]
    per_frame: dict[str, list[float]]
    frames: list[dict[str, Any]]
    settings: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Dicts, lists, strings and numbers."""
        return asdict(self)

    def row(self, key: str) -> Row | None:
        """The row of an answer, if it was measured."""
        return next((row for row in self.rows if row.key == key), None)

    def worst(self, count: int = 8) -> list[int]:
        """Frames of the model's largest errors, worst first.

        Without true swaps these are of the landmarks, or where not all frames' are known, of reconstruction.
        """
        landmarks = next((v for name, v in self.per_frame.items() if name.startswith("landmark_distance[")), None)
        reconstruction = [-value for value in self.per_frame["reconstruction_psnr"]]
        errors = self.per_frame.get("mse") or landmarks or reconstruction
        return sorted(range(len(errors)), key=lambda i: -errors[i])[:count]


@torch.inference_mode()
def swapped(
    model: Swapper, faces: Tensor, source: str, target: str, given: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """`Swapper.swap` in batches, in float32 and clipped to [0, 1].

    ``given``: the face masks (N, 1, R, R) of the faces, where known; they compose the result of a model that has
    ``given_mask``.
    """
    parts = [model.swap(part, source, target) for part in faces.split(BATCH)]
    raw = torch.cat([part[0] for part in parts]).float().clamp(0, 1)
    masks = [part[1].float() for part in parts if part[1] is not None]
    composed = torch.cat([part[2] for part in parts]).float().clamp(0, 1)
    if given is not None and getattr(model, "given_mask", False):
        return raw, given, given * raw + (1 - given) * faces
    return raw, torch.cat(masks) if masks else None, composed


def evaluate_swap(
    model: Swapper,
    task: SwapTask,
    val_task: SwapTask | None,
    embedder: Embedder,
    finder: LandmarkFinder,
    *,
    seed: int = 0,
) -> Evaluation:
    """Measure ``model`` on ``task``; k of the shifted mean is chosen on ``val_task``.

    ``seed`` draws retrieval candidates and resamples. Without true swaps all that needs them is absent.
    """
    judge = Judge(task, embedder, finder, seed)
    trivial, trivial_factors = _trivial_answers(task, val_task)
    answers = [*_model_answers(model, task), *trivial, *_ceilings(model, task)]
    measured = {answer.key: judge.measure(answer) for answer in answers}
    values = {key: {name: m.mean for name, m in found.items()} for key, found in measured.items()}
    trivial_mse = {a.key: values[a.key]["mse"] for a in trivial if values[a.key].get("mse")}
    best = min(trivial_mse, key=trivial_mse.__getitem__) if trivial_mse else None
    if best is not None:
        for key, found in measured.items():
            if "mse" in found:
                values[key] = {"score": score(found["mse"].values, measured[best]["mse"].values)} | values[key]
    own = measured["model"]
    baseline = measured[best]["mse"] if best is not None else None
    return Evaluation(
        direction=task.direction,
        split=task.split,
        rows=[Row(answer.key, answer.label, answer.kind, values[answer.key]) for answer in answers],
        metrics=_described(values, [a.key for a in trivial], judge.chance),
        intervals=_intervals(own, baseline, seed),
        per_clip=_per_clip(own, baseline),
        per_frame={name: m.values.tolist() for name, m in own.items() if len(m.values) == len(task.clips)},
        frames=[{"clip": clip, "time": time} for clip, time in zip(task.clips, task.times, strict=True)],
        settings={
            "seed": seed,
            "side": task.query.shape[-1],
            "best_trivial_by_mse": best,
            "shifted_mean_k": trivial_factors,
            "identity_genuine_cosine": judge.identity.genuine,
            "identity_impostor_cosine": judge.identity.impostor,
            "query_spread": judge.landmarks.spread,
        },
    )


def _model_answers(model: Swapper, task: SwapTask) -> list[Answer]:
    """The composed image, which is what a viewer sees, and the raw one where a mask makes a difference."""
    a, b = task.source, task.target
    raw, mask, composed = swapped(model, task.query, a, b, task.query_mask)
    sets = {kind: swapped(model, frames.query, a, b, frames.query_mask) for kind, frames in task.retrieval.items()}
    own = swapped(model, task.query, a, a, task.query_mask)
    answers = [
        Answer("model", "model", "model", composed, {k: s[2] for k, s in sets.items()}, own[2], mask),
    ]
    if mask is not None:
        answers.append(Answer("raw", "model, raw", "model", raw, {k: s[0] for k, s in sets.items()}, own[0]))
    return answers


def _trivial_answers(task: SwapTask, val_task: SwapTask | None) -> tuple[list[Answer], dict[str, float | None]]:
    """The trivial answers to the swap and, fitted to A alone, to reconstruction; and the two chosen k."""
    source = MaskedFaces.of(task.train_source, task.train_source_mask)
    target = MaskedFaces.of(task.train_target, task.train_target_mask)
    swap_frames = own_frames = None
    if val_task is not None:
        shown = MaskedFaces.of(val_task.query, val_task.query_mask)
        own_frames = (shown, shown)
        if val_task.truth is not None:
            swap_frames = (shown, MaskedFaces(val_task.truth, val_task.mask))
    swap = TrivialAnswers.fit(source, target, swap_frames)
    own = TrivialAnswers.fit(source, source, own_frames)
    query = MaskedFaces.of(task.query, task.query_mask)
    images, reconstructions = swap(query), own(query)
    sets = {kind: swap(MaskedFaces.of(f.query, f.query_mask)) for kind, f in task.retrieval.items()}
    answers = [
        Answer(
            key,
            LABELS[key].format(a=task.source, b=task.target),
            "trivial",
            image,
            {kind: found[key] for kind, found in sets.items()},
            reconstructions.get(key),
        )
        for key, image in images.items()
    ]
    return answers, {"swap": swap.factor, "reconstruction": own.factor}


def _ceilings(model: Swapper, task: SwapTask) -> list[Answer]:
    """Real B, and what the model makes of the true swap when it only has to encode and decode it."""
    real = Answer("real", f"real {task.target}", "ceiling", task.truth, identity=task.genuine)
    if task.truth is None:
        return [real]
    sets = task.retrieval.items()
    real = Answer(
        "real",
        f"true swap, real {task.target}",
        "ceiling",
        task.truth,
        {kind: frames.truth for kind, frames in sets},
        identity=task.genuine,
    )
    b = task.target
    again = Answer(
        "re_encoded",
        "true swap re-encoded",
        "ceiling",
        swapped(model, task.truth, b, b, task.truth_mask)[2],
        {kind: swapped(model, frames.truth, b, b, frames.truth_mask)[2] for kind, frames in sets},
    )
    return [real, again]


def _described(
    values: Mapping[str, Mapping[str, float]], trivial: list[str], chance: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Every metric that any answer has, in the order of the catalogue."""
    names = dict.fromkeys(name for found in values.values() for name in found)
    described = {}
    for name in sorted(names, key=order):
        entry = metric(name)
        scored = {key: goodness(name, values[key][name]) for key in trivial if name in values[key]}
        known = {key: value for key, value in scored.items() if value is not None}
        described[name] = {
            "group": entry.group,
            "better": entry.better,
            "meaning": entry.meaning,
            "chance": chance.get(name),
            "best_trivial": max(known, key=known.__getitem__) if known else None,
        }
    return described


def _intervals(own: Mapping[str, Measured], baseline: Measured | None, seed: int) -> dict[str, tuple[float, float]]:
    intervals = {name: clip_interval(m.values.numpy(), m.clips, seed) for name, m in own.items()}
    if baseline is not None:
        ratio = clip_interval(own["mse"].values.numpy(), baseline.clips, seed, over=baseline.values.numpy())
        intervals["score"] = None if ratio is None else (1 - ratio[1], 1 - ratio[0])
    return {name: interval for name, interval in intervals.items() if interval is not None}


def _per_clip(own: Mapping[str, Measured], baseline: Measured | None) -> dict[str, dict[str, float]]:
    means = {name: clip_means(m.values.numpy(), m.clips) for name, m in own.items()}
    if baseline is not None:
        trivial = clip_means(baseline.values.numpy(), baseline.clips)
        means["score"] = {clip: 1 - mse / trivial[clip] for clip, mse in means["mse"].items()}
    return means
