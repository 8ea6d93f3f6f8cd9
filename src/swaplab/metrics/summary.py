"""An evaluation of rendered people in seven lines: what counts, beside what it has to beat and what it could reach."""

from collections.abc import Callable, Sequence

from swaplab.metrics.evaluation import Evaluation
from swaplab.tables import markdown

Told = Callable[[Evaluation], str]


def summary(evaluations: Sequence[Evaluation]) -> str:
    """A Markdown table: a question per row, a direction per column. Brackets: 95 %, clips resampled."""
    lines = [[f"{evaluations[0].split} clips", *(e.direction.replace("->", "→") for e in evaluations)]]
    lines += [[question, *(told(each) for each in evaluations)] for question, told in QUESTIONS.items()]
    return markdown(lines)


def _value(evaluation: Evaluation, key: str, start: str) -> float:
    row = evaluation.row(key)
    assert row is not None
    return next(value for name, value in row.values.items() if name.startswith(start))


def _score(evaluation: Evaluation) -> str:
    low, high = evaluation.intervals["score"]
    return f"{_value(evaluation, 'model', 'score'):.2f} [{low:.2f}, {high:.2f}]"


def _psnr(evaluation: Evaluation) -> str:
    best = evaluation.settings["best_trivial_by_mse"]
    return f"{_value(evaluation, 'model', 'psnr'):.1f} dB; {_value(evaluation, best, 'psnr'):.1f} dB"


def _retrieved(kind: str) -> Told:
    def told(evaluation: Evaluation) -> str:
        name = f"retrieval_top1[{kind}]"
        return f"{_value(evaluation, 'model', name):.2f}; {_value(evaluation, 'colour_match', name):.2f}"

    return told


def _ceiling(evaluation: Evaluation) -> str:
    score, psnr = (_value(evaluation, "re_encoded", name) for name in ("score", "psnr"))
    return f"{score:.2f}, {psnr:.1f} dB"


QUESTIONS: dict[str, Told] = {
    "score: 1 is the true swap, 0 the best trivial baseline": _score,
    "PSNR to the true swap; best trivial baseline": _psnr,
    "leak: 0 nothing of the source is left, 1 a copy": lambda e: f"{_value(e, 'model', 'leak'):.2f}",
    "true frame ranked first; colour-matched source": _retrieved("mixed"),
    "the same where frames differ in expression only": _retrieved("expression"),
    "identity: 0 real source, 1 real target": lambda e: f"{_value(e, 'model', 'identity['):.2f}",
    "true swap re-encoded (the model's ceiling)": _ceiling,
}
