"""From a run and a split to its evaluation: numbers, tables, sample sheets, clips, and a W&B run."""

import json
import logging
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.experiment.baselines import load_baseline
from swaplab.experiment.clip import write_clips
from swaplab.experiment.data import load_data, tasks_of
from swaplab.metrics.evaluation import Evaluation, evaluate_swap
from swaplab.metrics.table import markdown
from swaplab.metrics.task import SwapTask
from swaplab.networks.pretrained.identity import IdentityEmbedder
from swaplab.networks.pretrained.landmarks import Landmarker
from swaplab.networks.swap_model import SwapModel, pixels
from swaplab.progress import Advance
from swaplab.runs.atomic import write_text_atomically
from swaplab.runs.evaluations import SPLITS, evaluation_file
from swaplab.runs.record import RunRecord
from swaplab.runs.rows import as_json
from swaplab.runs.sheets import write_sheet
from swaplab.sheets import Columns
from swaplab.training.loggers.evaluation import publish_evaluation

SAMPLES = 8
CIRCULAR = ", circular"  # in the names of metrics of a network that a loss of the run also used


def evaluate(
    record: RunRecord,
    config: dict[str, Any],
    model: SwapModel,
    digest: str,
    *,
    split: str,
    weights: str,
    clip: bool,
    progress: Advance,
) -> list[Evaluation]:
    """Measure a run's model on a split in all directions, and write the evaluation to the run folder.

    ``digest``: SHA-256 of the model's ``weights``. ``clip``: also write clips of rendered people. Only the model
    computes on its device; the networks that measure stay on the CPU, so that baselines are the same everywhere.
    """
    if split not in SPLITS:
        raise UserError(f"split={split} must be {' or '.join(SPLITS)}")
    sources, data = load_data(config)
    embedder, landmarker = IdentityEmbedder(), Landmarker()
    if embedder.name in record.facts.get("trained_on", []):
        embedder.name += CIRCULAR  # marks all its metrics
    tasks, evaluations = tasks_of(sources, data, split), []
    for task in tasks:
        baseline = load_baseline(config, sources, data, task, embedder, landmarker)
        evaluations.append(evaluate_swap(model, task, baseline))
        progress("evaluating", 1, len(tasks))
    place = evaluation_file(record.folder, weights, split)
    facts = {"split": split, "weights": weights, "weights_digest": digest[:16], "device": model.device.type}
    write_evaluation(place, facts | {"weak": split in data.weak_splits}, evaluations)
    draw_sheets(place, model, tasks, evaluations)
    if clip and config["data"]["kind"] == "synthetic":
        try:
            write_clips(record, config["data"], model, digest, place)
        except UserError as error:
            logging.getLogger("swaplab").warning("no clip: %s", error)
    tell_loggers(record, config, place)
    return evaluations


def tell_loggers(record: RunRecord, config: dict[str, Any], place: Path) -> None:
    """Pass on the evaluation to the loggers of the run; a failure is only a warning."""
    content = json.loads(place.read_text())
    publish_evaluation(record, config, content, sorted(place.parent.glob(f"{place.stem}-*.png")))


def write_evaluation(place: Path, content: dict[str, Any], evaluations: list[Evaluation]) -> None:
    """Write ``content`` with all directions to the JSON file ``place``, and the tables to a .md file beside it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    written = content | {"directions": [e.as_json() | {"sheets": e.sheets(SAMPLES)} for e in evaluations]}
    write_text_atomically(place, as_json(written, indent=1) + "\n")
    head = f"weights: {content['weights']} ({content['weights_digest']})\n\n"
    head += "weak split: parts of the same clips, one second apart\n\n" if content["weak"] else ""
    if any(CIRCULAR in name for e in evaluations for name in e.metrics):
        head += (
            "circular: the run's loss used the network that measures identity, so these metrics are too optimistic\n\n"
        )
    write_text_atomically(place.with_suffix(".md"), head + "\n\n".join(markdown(e) for e in evaluations) + "\n")


def draw_sheets(place: Path, model: SwapModel, tasks: list[SwapTask], evaluations: list[Evaluation]) -> None:
    """Write a sheet per kind and direction: sources, reconstructions, swaps and, if known, true swaps."""
    for task, evaluation in zip(tasks, evaluations, strict=True):
        for name, indices in evaluation.sheets(SAMPLES).items():
            faces, masks = task.query[indices], None if task.query_mask is None else task.query_mask[indices]
            again, swap = (
                pixels(model.swap(faces, task.source, shown, masks)[2]) for shown in (task.source, task.target)
            )
            truth = None if task.truth is None else pixels(task.truth[indices])
            way = f"{task.source}_to_{task.target}"
            columns = Columns(pixels(faces), again, swap, truth)
            write_sheet(place.with_name(f"{place.stem}-{way}-{name}.png"), {task.direction: columns})
