"""The evaluation of a model on one task, with the same metrics as trivial baselines and ceilings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from swaplab.catalogue import goodness, metric, order
from swaplab.metrics.baseline import Baseline
from swaplab.metrics.intervals import clip_interval, clip_means
from swaplab.metrics.judge import Answer, Judge, Measured, Row, scored
from swaplab.metrics.swapping import Swapper, swapped
from swaplab.metrics.task import SwapTask
from swaplab.thinning import evenly


@dataclass(frozen=True)
class Evaluation:
    """Results for one direction of one split, as plain values; `as_json` is their form in the run record.

    ``rows``: the model, its raw output if it has a mask, the trivial baselines, the ceilings. ``metrics``: by name,
    group, better side, meaning, chance and best trivial baseline. ``intervals``: 95 %, the model's clips resampled.
    ``per_clip``: the model's means by clip. ``per_frame``: its values by metric, in the order of ``frames``.
    ``settings``: what the numbers depend on.
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
        """The row with this key, or None."""
        return next((row for row in self.rows if row.key == key), None)

    def by_error(self) -> list[int]:
        """All frames by the model's error, the largest first.

        Without true swaps, the error is that of the landmarks, or of reconstruction if some frames lack landmarks.
        """
        landmarks = next((v for name, v in self.per_frame.items() if name.startswith("landmark_distance[")), None)
        reconstruction = [-value for value in self.per_frame["reconstruction_psnr"]]
        errors = self.per_frame.get("mse") or landmarks or reconstruction
        return sorted(range(len(errors)), key=lambda i: -errors[i])

    def sheets(self, count: int) -> dict[str, list[int]]:
        """The frames of each picture sheet, by name: evenly spread, the worst (worst first) and the best (best first);
        at most ``count`` each."""
        ordered = self.by_error()
        return {"samples": evenly(len(ordered), count), "worst": ordered[:count], "best": ordered[::-1][:count]}


def evaluate_swap(model: Swapper, task: SwapTask, baseline: Baseline) -> Evaluation:
    """Measure ``model`` on ``task`` and add the task's baseline. Metrics that need unknown true swaps are absent."""
    judge = Judge(task, baseline.identity, baseline.landmarks, baseline.seed)
    answers, again = _model_answers(model, task), _re_encoded(model, task)
    measured = {answer.key: judge.measure(answer) for answer in [*answers, *again]}
    made, ceilings = ([scored(a, measured[a.key], baseline.mse) for a in some] for some in (answers, again))
    rows, own = [*made, *baseline.rows, *ceilings], measured["model"]
    best = None if baseline.mse is None else Measured(baseline.mse, task.clips)
    return Evaluation(
        direction=task.direction,
        split=task.split,
        rows=rows,
        metrics=_described(rows, judge.chance),
        intervals=_intervals(own, best, baseline.seed),
        per_clip=_per_clip(own, best),
        per_frame={name: m.values.tolist() for name, m in own.items() if len(m.values) == len(task.clips)},
        frames=[{"clip": clip, "time": time} for clip, time in zip(task.clips, task.times, strict=True)],
        settings={
            "seed": baseline.seed,
            "yardstick": baseline.yardstick,
            "judged_on": task.digest,
            "side": task.query.shape[-1],
            "best_trivial_by_mse": baseline.best,
            "shifted_mean_k": baseline.factors,
            "identity_genuine_cosine": judge.identity.genuine,
            "identity_impostor_cosine": judge.identity.impostor,
            "query_spread": judge.landmarks.spread,
        },
    )


def _model_answers(model: Swapper, task: SwapTask) -> list[Answer]:
    """The composed image, which a viewer sees, and with a mask also the raw image."""
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


def _re_encoded(model: Swapper, task: SwapTask) -> list[Answer]:
    """The true swap encoded and decoded by the model: its ceiling."""
    if task.truth is None:
        return []
    b, sets = task.target, task.retrieval.items()
    image = swapped(model, task.truth, b, b, task.truth_mask)[2]
    retrieval = {kind: swapped(model, frames.truth, b, b, frames.truth_mask)[2] for kind, frames in sets}
    return [Answer("re_encoded", "true swap re-encoded", "ceiling", image, retrieval)]


def _described(rows: list[Row], chance: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Every metric in ``rows``, in the order of the catalogue."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    described = {}
    for name in sorted(names, key=order):
        entry = metric(name)
        scored = {r.key: goodness(name, r.values[name]) for r in rows if r.kind == "trivial" and name in r.values}
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
        means["score"] = {clip: 1 - mse / trivial[clip] for clip, mse in means["mse"].items() if trivial[clip] > 0}
    return means
