"""Measure how swaps change the head pose: the pose of each held-out frame compared with that of its swap.

    python scripts/pose_transfer.py runs/quick/s1-...

For rendered people only. The pose of a picture is estimated as the mean pose of the three nearest training faces of the
target, by pixel distance. Prints slope, intercept and root mean square error of a linear fit over the test frames, for
the swap, the true swap, and the true swap re-encoded by the model. A slope of 1 keeps the pose; the fit of the true
swap shows the accuracy of the estimate.
"""

import sys
from pathlib import Path

import numpy as np
from torch import Tensor

from swaplab.experiment.data import load_data, tasks_of
from swaplab.experiment.recorded import load_model, recorded_config
from swaplab.faces.faceset import Faceset
from swaplab.metrics.task import faces_of, of_split
from swaplab.runs.record import RunRecord

NEIGHBOURS = 3


def nearest(pictures: Tensor, gallery: Tensor) -> np.ndarray:
    """Indices (n, 3) of the nearest faces (m, 3, R, R) to pictures (n, 3, R, R)."""
    a, b = pictures.flatten(1), gallery.flatten(1)
    distance = (b**2).sum(1) - 2 * a @ b.T
    return distance.topk(NEIGHBOURS, largest=False).indices.numpy()


def poses(faceset: Faceset, split: str, axis: str) -> np.ndarray:
    """The angles in degrees of the faces of a split, in the order of the records."""
    return np.array([r.parameters[axis] for r in faceset.records if r.split == split and r.parameters])


def main(folder: Path) -> None:
    """Print one line for each direction, picture and axis."""
    record = RunRecord.load(folder)
    config = recorded_config(record)
    sources, data = load_data(config)
    model, _ = load_model(record, config, "final")
    facesets = data.split_facesets()
    for task in tasks_of(sources, data, "test"):
        assert task.truth is not None, "only rendered people have a true swap"
        pictures = {
            "swap": model.swap(task.query, task.source, task.target, task.query_mask)[2],
            "true swap": task.truth,
            "true swap re-encoded": model.swap(task.truth, task.target, task.target, task.truth_mask)[2],
        }
        for name, picture in pictures.items():
            neighbours = nearest(picture, faces_of(of_split(facesets[task.target], "train")))
            for axis in ("yaw", "pitch"):
                asked = poses(facesets[task.source], "test", axis)
                shown = poses(facesets[task.target], "train", axis)[neighbours].mean(1)
                slope, intercept = np.polyfit(asked, shown, 1)
                error = np.sqrt(np.mean((asked - shown) ** 2))
                print(f"{task.direction} {name:21} {axis:5} {slope:5.2f} x {intercept:+5.2f} deg, rms {error:.2f} deg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
