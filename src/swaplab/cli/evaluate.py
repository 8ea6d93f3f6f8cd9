"""swaplab evaluate: measure a trained run on held-out clips, beside trivial baselines and ceilings."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.config.commands import Evaluate as KEYS

if TYPE_CHECKING:
    from swaplab.metrics.evaluation import Evaluation
    from swaplab.metrics.task import SwapTask
    from swaplab.networks.swap_model import SwapModel
    from swaplab.runs.record import RunRecord

HELP = """
swaplab evaluate: measure a trained run on held-out clips in both directions, beside trivial baselines and ceilings.

  swaplab evaluate run=runs/quick/s1-0123456789 split=val
  swaplab evaluate run=runs/quick/s1-0123456789 split=test weights=best

Writes evaluation/WEIGHTS/SPLIT.json, SPLIT.md, sample sheets and, for rendered people, clips SPLIT-A_to_B.mp4 to the
run folder, and a W&B run beside the trained one. Verdicts use the final weights.
"""
ADVICE = "; run the same command to evaluate again"

SAMPLES = 8
CIRCULAR = ", circular"  # in the names of metrics of a network that a loss of the run also used


def run(words: Sequence[str]) -> None:
    """Evaluate a run and print the tables."""
    from swaplab.config.keys import parsed
    from swaplab.places import expanded
    from swaplab.runs.naming import run_folder

    config = parsed(KEYS, words)
    folder = run_folder(expanded(config["runs"]), config["run"])
    place, _ = evaluate_run(folder, config["split"], config["weights"], config["threads"], config["clip"])
    print(place.with_suffix(".md").read_text())
    print(f"evaluation: {place.with_suffix('.md')}; {place.name}, sample sheets and clips are in the same folder")


def evaluate_run(
    folder: Path, split: str, weights: str = "final", threads: int | None = None, clip: bool = True
) -> "tuple[Path, list[Evaluation]]":
    """Evaluate a run folder; returns the path of the JSON file and the evaluations, one per direction."""
    import torch
    from rich.progress import track

    from swaplab.cli.baselines import load_baseline
    from swaplab.cli.recorded import load_model, recorded_config
    from swaplab.experiment.data import load_data, tasks_of
    from swaplab.metrics.evaluation import evaluate_swap
    from swaplab.networks.pretrained.identity import IdentityEmbedder
    from swaplab.networks.pretrained.landmarks import Landmarker
    from swaplab.runs.evaluations import evaluation_file
    from swaplab.runs.record import RunRecord

    if threads:
        torch.set_num_threads(threads)
    record = RunRecord.load(folder)
    config = recorded_config(record)
    sources, data = load_data(config)
    model, digest = load_model(record, config, weights)
    embedder, landmarker = IdentityEmbedder(), Landmarker()
    if embedder.name in record.facts.get("trained_on", []):
        embedder.name += CIRCULAR  # marks all its metrics
    tasks = tasks_of(sources, data, split)
    evaluations = [
        evaluate_swap(model, task, load_baseline(config, sources, data, task, embedder, landmarker))
        for task in track(tasks, "evaluating", transient=True)
    ]
    place = evaluation_file(record.folder, weights, split)
    content = {"split": split, "weights": weights, "weights_digest": digest[:16]}
    write_evaluation(place, content | {"weak": split in data.weak_splits}, evaluations)
    draw_sheets(place, model, tasks, evaluations)
    if clip and config["data"]["kind"] == "synthetic":
        show_clips(record, config, model, digest, place)
    tell_dashboard(record, config, place)
    return place, evaluations


def show_clips(record: "RunRecord", config: dict[str, Any], model: "SwapModel", weights: str, place: Path) -> None:
    """Write the clips beside an evaluation; if they cannot be marked, print a message instead."""
    from swaplab.cli.clip import write_clips
    from swaplab.errors import UserError

    try:
        write_clips(record, config["data"], model, weights, place)
    except UserError as error:
        print(f"no clip: {error}", file=sys.stderr)


def tell_dashboard(record: "RunRecord", config: dict[str, Any], place: Path) -> None:
    """Send the evaluation to W&B if the run uses it; a failure is only a warning."""
    import json

    from swaplab.training.dashboard import publish_evaluation

    content = json.loads(place.read_text())
    publish_evaluation(record, config, content, sorted(place.parent.glob(f"{place.stem}-*.png")))


def write_evaluation(place: Path, content: dict[str, Any], evaluations: "list[Evaluation]") -> None:
    """Write ``content`` with all directions to the JSON file ``place``, and the tables to a .md file beside it."""
    from swaplab.metrics.table import markdown
    from swaplab.runs.atomic import write_text_atomically
    from swaplab.runs.rows import as_json

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


def draw_sheets(place: Path, model: "SwapModel", tasks: "list[SwapTask]", evaluations: "list[Evaluation]") -> None:
    """Write a sheet per kind and direction, with source, reconstruction, swap and, if known, true swap in each row."""
    from swaplab.training.samples import save_sheet, tiled

    for task, evaluation in zip(tasks, evaluations, strict=True):
        for name, indices in evaluation.sheets(SAMPLES).items():
            faces, masks = task.query[indices], None if task.query_mask is None else task.query_mask[indices]
            own, swapped = (model.swap(faces, task.source, name, masks)[2] for name in (task.source, task.target))
            truth = [] if task.truth is None else [task.truth[indices]]
            way = f"{task.source}_to_{task.target}"
            save_sheet(place.with_name(f"{place.stem}-{way}-{name}.png"), tiled([faces, own, swapped, *truth]))
