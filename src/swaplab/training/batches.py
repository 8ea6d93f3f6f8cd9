"""Batches on their way into a step: checked against the module, and divided into the parts of the step."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from swaplab.errors import UserError

Faces = dict[str, dict[str, Tensor]]


def divided(batch: Mapping[str, Any], parts: int, dtype: torch.dtype) -> list[tuple[Faces, Tensor]]:
    """The faces, as floats in [0, 1], and the positions of each of ``parts`` equal parts of a batch."""
    chunks: list[Faces] = [{} for _ in range(parts)]
    for name, of in batch["faces"].items():
        for kind, images in of.items():
            pieces = images.to(dtype).div_(255).chunk(parts)
            for chunk, piece in zip(chunks, pieces, strict=True):
                chunk.setdefault(name, {})[kind] = piece
    return list(zip(chunks, batch["position"].chunk(parts), strict=True))


def check_batch(batch: Any, identities: Sequence[str], parts: int, masks: int, faces: tuple[int, int]) -> None:
    """Raise UserError unless a batch is one for a module with these settings.

    ``masks``: number of masks per face. ``faces``: least and greatest number of faces per identity and part.
    """
    what = "the training batch"
    if not isinstance(batch, Mapping) or not {"position", "faces"} <= batch.keys():
        raise UserError(f'{what} must be {{"position": ..., "faces": ...}}; use swaplab.build_data(config)')
    if set(batch["faces"]) != set(identities):
        found, wanted = (", ".join(map(str, names)) or "none" for names in (batch["faces"], identities))
        raise UserError(f"{what} has the identities {found}, but the module has {wanted}; build both from one config")
    count, (least, most) = len(batch["position"]), faces
    if count % parts or not least <= count // parts <= most:
        raise UserError(
            f"{what} has {count} faces per identity, but a step of this module takes {parts} x {most}; build data and "
            f"module from one config"
        )
    for name, of in batch["faces"].items():
        for kind, channels in (("input", 3), ("target", 3), *((("masks", masks),) if masks else ())):
            _check_images(of.get(kind), f"{what} of {name}: {kind}", count, channels)


def _check_images(images: Any, what: str, count: int, channels: int) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise UserError(f"{what} must be a uint8 tensor with values 0 to 255; use swaplab.build_data(config)")
    if images.ndim != 4 or images.shape[:2] != (count, channels):
        raise UserError(f"{what} has shape {tuple(images.shape)}, not ({count}, {channels}, R, R); check its masks")
