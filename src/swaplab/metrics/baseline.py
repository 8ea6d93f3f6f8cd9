"""The part of an evaluation that is independent of the model: trivial baselines, the real target, and their scales.

It is most of an evaluation's work, so it can be cached as JSON, which preserves every number exactly.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from swaplab.metrics.identity import Embedder, IdentityScale, thinned
from swaplab.metrics.judge import Answer, Judge, Row, scored
from swaplab.metrics.landmarks import LandmarkFinder, QueryLandmarks
from swaplab.metrics.task import SwapTask
from swaplab.metrics.trivial import LABELS, MaskedFaces, TrivialAnswers
from swaplab.metrics.yardstick import RealFaces, Yardstick


@dataclass(frozen=True)
class Baseline:
    """Measured baselines of a task.

    ``yardstick``: digest of the faces it was fitted on. ``rows``: the trivial baselines, then the real target.
    ``best``: key of the trivial baseline with the lowest mean squared error, and ``mse`` (n,), its error per frame;
    both None without true swaps. ``factors``: the two chosen k of the shifted mean. ``seed``: for retrieval candidates
    and resampling.
    """

    yardstick: str
    rows: list[Row]
    best: str | None
    mse: Tensor | None
    factors: dict[str, float | None]
    identity: IdentityScale
    landmarks: QueryLandmarks
    seed: int

    @classmethod
    def of(
        cls, task: SwapTask, yardstick: Yardstick, embedder: Embedder, finder: LandmarkFinder, seed: int = 0
    ) -> "Baseline":
        """The baseline of a task: fitted on the yardstick, measured on the task."""
        real = yardstick.read()
        fitted = IdentityScale.fit(embedder, real)
        landmarks = QueryLandmarks.of(finder, task.query[thinned(task.query)])
        judge = Judge(task, fitted, landmarks, seed)
        trivial, factors = _trivial_answers(task, real)
        answers = [*trivial, _real(task, real)]
        measured = {answer.key: judge.measure(answer) for answer in answers}
        errors = {a.key: measured[a.key]["mse"].values for a in trivial if "mse" in measured[a.key]}
        best = min((key for key in errors if errors[key].any()), key=lambda key: errors[key].mean(), default=None)
        mse = None if best is None else errors[best]
        rows = [scored(a, measured[a.key], mse) for a in answers]
        return cls(yardstick.digest, rows, best, mse, factors, fitted, landmarks, seed)

    def as_json(self) -> dict[str, Any]:
        """Plain values that preserve every number exactly."""
        return {
            "yardstick": self.yardstick,
            "rows": [asdict(row) for row in self.rows],
            "best": self.best,
            "mse": None if self.mse is None else self.mse.tolist(),
            "factors": self.factors,
            "identity": {
                "source": self.identity.source.tolist(),
                "target": self.identity.target.tolist(),
                "genuine": self.identity.genuine,
                "impostor": self.identity.impostor,
            },
            "landmarks": self.landmarks.points.tolist(),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], embedder: Embedder, finder: LandmarkFinder) -> "Baseline":
        """The inverse of `as_json`, with the networks that were used for it."""

        def exact(values: Any) -> Tensor:
            return torch.tensor(values, dtype=torch.float64)

        identity, mse = content["identity"], content["mse"]
        return cls(
            content["yardstick"],
            [Row(**row) for row in content["rows"]],
            content["best"],
            None if mse is None else exact(mse),
            content["factors"],
            IdentityScale(
                embedder,
                exact(identity["source"]),
                exact(identity["target"]),
                identity["genuine"],
                identity["impostor"],
            ),
            QueryLandmarks(finder, exact(content["landmarks"])),
            content["seed"],
        )


def _trivial_answers(task: SwapTask, real: RealFaces) -> tuple[list[Answer], dict[str, float | None]]:
    """The trivial baselines for the swap and, fitted to A alone, for reconstruction; and the two chosen k."""
    source, target, shown = real.train_source, real.train_target, real.val_source
    swap = TrivialAnswers.fit(source, target, None if real.val_truth is None else (shown, real.val_truth))
    own = TrivialAnswers.fit(source, source, (shown, shown))
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


def _real(task: SwapTask, real: RealFaces) -> Answer:
    """The real target: the true swap if known, and the identity of other real frames."""
    label = f"real {task.target}" if task.truth is None else f"true swap, real {task.target}"
    sets = {kind: frames.truth for kind, frames in task.retrieval.items()} if task.truth is not None else {}
    return Answer("real", label, "ceiling", task.truth, sets, identity=real.genuine)
