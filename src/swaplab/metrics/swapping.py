"""A model's swaps, as training and evaluation measure them.

Separate from the metrics: training depends on this module, and a change to any module that it depends on counts as a
change of training code.
"""

from typing import Protocol

import torch
from torch import Tensor

BATCH = 64


class Swapper(Protocol):
    """The interface of a measured model: in inference mode, without gradients or randomness."""

    def swap(
        self, faces: Tensor, source: str, target: str, given: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Faces (N, 3, R, R) of ``source`` in [0, 1] -> raw, mask (N, 1, R, R) or None, composed.

        ``given``: the face masks (N, 1, R, R) of the faceset, or None."""
        ...


@torch.inference_mode()
def swapped(
    model: Swapper, faces: Tensor, source: str, target: str, given: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """`Swapper.swap` in batches, in float32 and clipped to [0, 1]."""
    masks_of = [None] * len(faces.split(BATCH)) if given is None else given.split(BATCH)
    parts = [model.swap(part, source, target, m) for part, m in zip(faces.split(BATCH), masks_of, strict=True)]
    raw = torch.cat([part[0] for part in parts]).float().clamp(0, 1)
    masks = [part[1].float() for part in parts if part[1] is not None]
    composed = torch.cat([part[2] for part in parts]).float().clamp(0, 1)
    return raw, torch.cat(masks) if masks else None, composed
