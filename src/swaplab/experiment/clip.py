"""Marked videos of a held-out clip of rendered people: source, swap and true swap side by side."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from swaplab.conversion.side_by_side import write_side_by_side
from swaplab.experiment.data import directions
from swaplab.experiment.recorded import claim_of
from swaplab.marking.label import Label
from swaplab.marking.writer import write_marked
from swaplab.metrics.swapping import swapped
from swaplab.metrics.task import SwapTask, swap_task
from swaplab.networks.swap_model import SwapModel, pixels
from swaplab.runs.record import RunRecord
from swaplab.synthetic.film import RATE, build_film


def write_clips(record: RunRecord, data: Mapping[str, Any], model: SwapModel, weights: str, place: Path) -> list[Path]:
    """Write ``SPLIT-A_to_B.mp4`` of a config's rendered people beside the evaluation ``place``, one per direction.

    ``weights``: SHA-256 of the model's weights. Raises UserError if a video cannot be written or marked; an existing
    one is kept then.
    """
    film = build_film(data, place.stem)
    written = []
    for a, b in directions(tuple(film.facesets)):
        task, path = (
            swap_task(film.facesets, a, b, place.stem, film.truth),
            place.with_name(f"{place.stem}-{a}_to_{b}.mp4"),
        )
        _write(path, task, swapped(model, task.query, a, b, task.query_mask)[2], record, weights)
        written.append(path)
    return written


def _write(path: Path, task: SwapTask, swaps: Tensor, record: RunRecord, weights: str) -> None:
    assert task.truth is not None
    a, b, label = task.source, task.target, Label("AI-altered: the middle face")
    source = {f"{a}: source": pixels(task.query)}
    columns = source | {f"{a} to {b}: model": pixels(swaps), f"{a} to {b}: true swap": pixels(task.truth)}
    shown = len(swaps)
    claim = claim_of(record, weights, a, b, kind="video", frames=shown, faces_swapped=shown, label=label)
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder) / "source.mp4"  # the credentials name it as the edited file
        write_side_by_side(original, source, RATE)
        write_marked(path, original, claim, lambda to: write_side_by_side(to, columns, RATE, label), overwrite=True)
