"""A trained generator for conversion: stored crops in, swapped face regions out."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment


class Swap(Protocol):
    """Swaps faces (n, 3, R, R) in [0, 1] from ``source`` to ``target``: raw, mask (n, 1, R, R) or None, composed.

    ``given``: the face masks of a faceset; None for pictures and videos."""

    def swap(
        self, faces: Tensor, source: str, target: str, given: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]: ...


class FaceSwapper:
    """One direction of a trained model. ``batch``: faces per forward pass."""

    def __init__(self, model: Swap, alignment: Alignment, source: str, target: str, batch: int = 32) -> None:
        self.model, self.alignment, self.source, self.target, self.batch = model, alignment, source, target, batch

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Stored crops (n, S, S, 3) -> raw faces RGB (n, R, R, 3) and learned masks (n, R, R) or None, in [0, 1]."""
        parts = [self._swapped(crops[i : i + self.batch]) for i in range(0, len(crops), self.batch)]
        raw = np.concatenate([part[0] for part in parts])
        masks = [part[1] for part in parts if part[1] is not None]
        return raw, np.concatenate(masks) if masks else None

    def _swapped(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        region = np.ascontiguousarray(self.alignment.region_of(crops))
        faces = torch.from_numpy(region).permute(0, 3, 1, 2).float() / 255
        raw, mask, _ = self.model.swap(faces, self.source, self.target, None)
        colours = raw.clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
        return colours, None if mask is None else mask[:, 0].contiguous().numpy()


def direction(identities: tuple[str, ...], source: str | None, target: str | None) -> tuple[str, str]:
    """The source (the face in the input) and the target (the face in the output); by default the first two identities.

    Raises UserError for an identity unknown to the model, and if both are the same.
    """
    known = ", ".join(identities)
    for key, name in (("source", source), ("target", target)):
        if name is not None and name not in identities:
            raise UserError(f"{key}={name} is not an identity of this run; choose from {known}")
    source = source or next((name for name in identities if name != target), identities[0])
    target = target or next((name for name in identities if name != source), source)
    if source == target:
        raise UserError(f"source and target are both {source}, but must differ; choose from {known}")
    return source, target
