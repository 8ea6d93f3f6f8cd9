"""Sample sheets of held-out faces at fixed indices."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from swaplab.captions import captions
from swaplab.data.module import FaceData
from swaplab.networks.swap_model import SwapModel
from swaplab.runs.atomic import write_atomically
from swaplab.thinning import evenly

GAP = 2
SAMPLES = 8  # faces of each identity


class Shown(NamedTuple):
    """Faces of an identity (n, 3, R, R) in [0, 1], their face masks (n, 1, R, R), and their true swaps (n, 3, R, R) to
    the identity that the sheet swaps them to; None if not known."""

    faces: Tensor
    masks: Tensor | None = None
    truth: Tensor | None = None


def drawer(
    data: FaceData, truth: Mapping[tuple[str, str], NDArray[np.uint8]], use: Callable[[nn.Module], SwapModel]
) -> Callable[[nn.Module], NDArray[np.uint8]]:
    """A function that draws a generator's sheet of fixed validation faces; each identity is swapped to the next one.

    ``truth[source, target]``: the true swaps (n, R, R, 3) of the source's validation faces, if known.
    """
    held_out, names = {name: data.held_out("val", name) for name in data.identities}, data.identities
    pairs = [(name, names[(i + 1) % len(names)]) for i, name in enumerate(names)]
    rows = min(SAMPLES, *(len(faces.images) for faces in held_out.values()))

    def pictures(stack: NDArray[np.uint8] | None) -> Tensor | None:
        if stack is None:
            return None
        return torch.from_numpy(stack[evenly(len(stack), SAMPLES)][:rows]).permute(0, 3, 1, 2).float() / 255

    shown = {}
    for pair in pairs:
        faces = held_out[pair[0]]
        own = pictures(faces.images)
        assert own is not None
        shown[pair[0]] = Shown(own, pictures(faces.face_masks), pictures(truth.get(pair)))
    return lambda generator: sample_sheet(use(generator), shown, pairs)


def sample_sheet(
    model: SwapModel,
    faces: Mapping[str, Shown],
    pairs: Sequence[tuple[str, str]],
) -> NDArray[np.uint8]:
    """An RGB sheet with one row per face: the face, its reconstruction, its swap and its true swap if known, for each
    pair of identities (source, target)."""
    columns = []
    for source, target in pairs:
        own, masks, truth = faces[source]
        columns += [own, *(model.swap(own, source, shown, masks)[2] for shown in (source, target))]
        columns += [] if truth is None else [truth]
    return tiled(columns)


def tiled(columns: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Columns of n faces (n, 3, R, R) in [0, 1] as one RGB sheet of n rows with thin white lines."""
    rows = torch.cat([F.pad(column.float().clamp(0, 1), (GAP,) * 4, value=1.0) for column in columns], 3)
    sheet = torch.cat(list(rows), 1).permute(1, 2, 0)
    return np.asarray((sheet * 255).round().byte().cpu().numpy())


def enlarged(sheet: NDArray[np.uint8], names: Sequence[str], rows: int, scale: int) -> NDArray[np.uint8]:
    """The first ``rows`` rows of a sheet, so many times as large, under the ``names`` of its columns."""
    height = rows * (sheet.shape[1] // len(names))
    large = cv2.resize(sheet[:height], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.concatenate([captions(names, large.shape[1]), large])


def save_sheet(path: Path, sheet: NDArray[np.uint8]) -> None:
    """Write an RGB sheet as PNG, atomically."""
    data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
    write_atomically(path, lambda file: file.write(data))
