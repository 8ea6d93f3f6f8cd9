"""Picture sheets of fixed held-out faces: always the same indices, never chosen by eye."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from swaplab.losses.context import StepContext, StepSettings
from swaplab.runs.atomic import write_atomically

GAP = 2


@torch.no_grad()
def sample_sheet(
    generator: nn.Module, faces: Mapping[str, NDArray[np.uint8]], pairs: Sequence[tuple[str, str]]
) -> NDArray[np.uint8]:
    """One row a face: the face, its reconstruction, and its swap, for each pair of identities (source, target).

    faces: identity -> (n, R, R, 3) uint8. Returns an RGB sheet; swaps are composed by the mask where there is one.
    """
    device, dtype = next((p.device, p.dtype) for p in generator.parameters())
    inputs = {
        name: torch.from_numpy(images).to(device).permute(0, 3, 1, 2).to(dtype).div(255)
        for name, images in faces.items()
    }
    batch = {name: {"input": x, "target": x} for name, x in inputs.items()}
    settings = StepSettings(global_batch=1, joint=False, tracked=frozenset())
    step = StepContext({"generator": generator}, batch, torch.empty(0), 1.0, settings, gradients=False)
    columns = []
    for source, target in pairs:
        face = inputs[source]
        columns += [
            face,
            step.reconstruction(source).composed(face),
            step.swap(source, target).composed(face),
        ]
    return tiled(columns)


def tiled(columns: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Columns of n faces (n, 3, R, R) in [0, 1] as one RGB sheet of n rows, with thin white lines between."""
    rows = torch.cat([F.pad(column.float().clamp(0, 1), (GAP,) * 4, value=1.0) for column in columns], 3)
    sheet = torch.cat(list(rows), 1).permute(1, 2, 0)
    return np.asarray((sheet * 255).round().byte().cpu().numpy())


def save_sheet(path: Path, sheet: NDArray[np.uint8]) -> None:
    """Write an RGB sheet as PNG, atomically."""
    data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
    write_atomically(path, lambda file: file.write(data))
