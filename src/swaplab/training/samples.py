"""Picture sheets of fixed held-out faces: always the same indices, never chosen by eye."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from swaplab.networks.swap_model import SwapModel
from swaplab.runs.atomic import write_atomically

GAP = 2


def sample_sheet(
    model: SwapModel,
    faces: Mapping[str, tuple[Tensor, Tensor | None]],
    pairs: Sequence[tuple[str, str]],
) -> NDArray[np.uint8]:
    """One row a face: the face, its reconstruction, and its swap, for each pair of identities (source, target).

    faces: identity -> (n, 3, R, R) in [0, 1], and the face masks (n, 1, R, R) that come with them, or None. Returns an
    RGB sheet of what is measured.
    """
    columns = []
    for source, target in pairs:
        own, masks = faces[source]
        columns += [own, *(model.swap(own, source, shown, masks)[2] for shown in (source, target))]
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
