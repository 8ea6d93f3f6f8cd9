"""Sample sheets during training: held-out faces at fixed indices."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swaplab.data.module import FaceData
from swaplab.networks.swap_model import SwapModel, pixels
from swaplab.sheets import Columns, Sheet
from swaplab.thinning import evenly

SAMPLES = 8  # faces of each identity


class Shown(NamedTuple):
    """Faces of an identity (n, 3, R, R) in [0, 1], their face masks (n, 1, R, R), and their true swaps (n, 3, R, R) to
    the identity that the sheet swaps them to; None if not known."""

    faces: Tensor
    masks: Tensor | None = None
    truth: Tensor | None = None


def drawer(
    data: FaceData, truth: Mapping[tuple[str, str], NDArray[np.uint8]], use: Callable[[nn.Module], SwapModel]
) -> Callable[[nn.Module], Sheet]:
    """A function that makes a generator's sheet of fixed validation faces; each identity is swapped to the next one.

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


def sample_sheet(model: SwapModel, faces: Mapping[str, Shown], pairs: Sequence[tuple[str, str]]) -> Sheet:
    """Faces, their reconstructions, their swaps and their true swaps if known, for each pair (source, target)."""
    sheet = {}
    for source, target in pairs:
        own, masks, truth = faces[source]
        again, swap = (pixels(model.swap(own, source, name, masks)[2]) for name in (source, target))
        sheet[f"{source}->{target}"] = Columns(pixels(own), again, swap, None if truth is None else pixels(truth))
    return sheet
