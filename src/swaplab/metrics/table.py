"""An evaluation as Markdown tables: the model, trivial baselines, ceilings and chance."""

from collections.abc import Sequence

from swaplab import tables
from swaplab.catalogue import better, order, written
from swaplab.metrics.evaluation import Evaluation, Row

TABLES = (
    ("swap", "Is it the true swap?"),
    ("kept", "Does it keep the frame's expression and pose? The colour-matched source keeps everything"),
    ("identity", "Whose face is it?"),
    ("regions", "Where are the errors, and is everything but the face unchanged? In 255ths of the range"),
    ("landmarks", "Do the landmarks show the query's pose and expression?"),
    ("sharpness", "Is it sharp, and is the sharpness correct?"),
    ("model", "Components of the model"),
)
LEGEND = (
    "`*` best trivial baseline of the column; **bold**: the model beats it. Interval: 95 %, the run's clips resampled."
)


def markdown(evaluation: Evaluation) -> str:
    """A heading, the key numbers that count only together, and a table for each question."""
    clips = len({frame["clip"] for frame in evaluation.frames})
    head = (
        f"## {evaluation.direction}, split {evaluation.split}: {len(evaluation.frames)} frames of {clips} clips, "
        f"{evaluation.settings['side']} px"
    )
    parts = [head, together(evaluation)]
    for group, question in TABLES:
        names = [name for name, entry in evaluation.metrics.items() if entry["group"] == group]
        if names:
            parts += [f"### {question}", table(evaluation, names)]
        if names and group == "landmarks":
            parts.append(spread(evaluation))
    return "\n\n".join([part for part in parts if part] + [LEGEND]) + "\n"


def spread(evaluation: Evaluation) -> str:
    """How much the queries move, without which correlations cannot be read."""
    moved = evaluation.settings["query_spread"]
    return (
        f"Standard deviations of the queries: yaw {moved['yaw']:.1f} degrees, pitch {moved['pitch']:.1f} degrees; "
        f"openings of mouth {moved['mouth']:.1%} and eyes {moved['eye']:.1%} of the interocular distance. If a value "
        "hardly moves, its correlation says little."
    )


def together(evaluation: Evaluation) -> str:
    """Score and PSNR, retrieval, identity and pose of the model in one paragraph; each alone has a trivial winner."""
    model = evaluation.row("model")
    assert model is not None
    tellers = {
        "score": _score,
        "retrieval_top1[mixed]": _retrieval,
        "identity[": _identity,
        "pose_difference[": _pose,
    }
    said = [
        teller(evaluation, name, model.values[name])
        for name in sorted(model.values, key=order)
        for start, teller in tellers.items()
        if name.startswith(start)
    ]
    return f"Good only together: {'; '.join(said)}." if said else ""


def _score(evaluation: Evaluation, name: str, value: float) -> str:
    best = evaluation.row(evaluation.settings["best_trivial_by_mse"])
    interval = evaluation.intervals.get(name)
    span = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    own = evaluation.row("model")
    assert own is not None
    beside = f", {best.values['psnr']:.2f} dB" if best else ""
    return (
        f"score {value:.3f}{span} and {own.values['psnr']:.2f} dB to the true swap "
        f"(0: {best.label if best else ''}{beside}; 1: the true swap)"
    )


def _retrieval(evaluation: Evaluation, name: str, value: float) -> str:
    kept = evaluation.row("colour_match")
    ceiling = kept.values[name] if kept else 1.0
    share = f", {value / ceiling:.0%} of {kept.label}'s {ceiling:.2f}" if kept and ceiling else ""
    return f"true frame first in {value:.0%}{share} (chance {evaluation.metrics[name]['chance']:.1%})"


def _identity(evaluation: Evaluation, name: str, value: float) -> str:
    """With the cosines that 0 and 1 stand for."""
    winner = evaluation.row(evaluation.metrics[name]["best_trivial"] or "")
    known = f"; best trivial {winner.values[name]:.2f}: {winner.label}" if winner else ""
    floor, ceiling = (evaluation.settings[f"identity_{kind}_cosine"] for kind in ("impostor", "genuine"))
    return f"identity {value:.2f} (0: real source, cosine {floor:.2f}; 1: real target, {ceiling:.2f}{known})"


def _pose(evaluation: Evaluation, name: str, value: float) -> str:
    """Compared with a face that never moves and, if known, the true swap; for a copy it is 0."""
    rows = {key: evaluation.row(key) for key in ("mean", "real")}
    beside = [f"{row.label} {row.values[name]:.1f}" for row in rows.values() if row and name in row.values]
    return f"head turned {value:.1f} degrees from the query's ({'; '.join(beside)})"


def table(evaluation: Evaluation, names: Sequence[str]) -> str:
    """A Markdown table with a row per answer and a column per metric, the model's interval, and chance."""
    lines = [["answer", *names]]
    for row in evaluation.rows:
        if any(name in row.values for name in names):
            lines.append([row.label, *(_cell(evaluation, row, name) for name in names)])
        if row.key == "model":
            lines.append(["interval", *(_interval(evaluation, name) for name in names)])
    chance = [evaluation.metrics[name]["chance"] for name in names]
    if any(value is not None for value in chance):
        lines.append(["chance", *("" if value is None else f"{value:.3f}" for value in chance)])
    return tables.markdown(lines, right=range(1, len(lines[0])))


def _cell(evaluation: Evaluation, row: Row, name: str) -> str:
    if name not in row.values:
        return ""
    text, best = written(name, row.values[name]), evaluation.metrics[name]["best_trivial"]
    if row.key == best:
        return f"{text} *"
    trivial = evaluation.row(best) if best and row.key == "model" else None
    return f"**{text}**" if trivial and better(name, row.values[name], trivial.values[name]) else text


def _interval(evaluation: Evaluation, name: str) -> str:
    interval = evaluation.intervals.get(name)
    return "" if interval is None else " to ".join(written(name, value) for value in interval)
