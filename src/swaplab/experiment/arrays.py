"""Images of callers as faces of the network, and answers in the form of the question: array or tensor, dtype, batch."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swaplab.errors import UserError

Images = TypeVar("Images", NDArray[Any], Tensor)


@dataclass(frozen=True)
class Form:
    """How images came. ``array``: the NumPy dtype, None for a tensor; ``tensor``: the torch dtype; ``single``: one
    image without a batch axis."""

    array: np.dtype[Any] | None
    tensor: torch.dtype
    device: torch.device
    single: bool

    def put(self, faces: Tensor) -> Any:
        """Faces (n, C, R, R) in [0, 1], float32 on the CPU, in this form; bytes are rounded."""
        faces = faces[0] if self.single else faces
        if self.tensor == torch.uint8:
            faces = (faces * 255).round()
        if self.array is not None:
            return np.ascontiguousarray(faces.movedim(-3, -1).numpy().astype(self.array))
        return faces.clone().to(self.device, self.tensor)


def faces_of(images: Any, side: int) -> tuple[Tensor, Form]:
    """Images as faces (n, 3, R, R) in [0, 1], float32 on the CPU, and their form.

    ``images``: NumPy (R, R, 3) or (n, R, R, 3), torch (3, R, R) or (n, 3, R, R), RGB; uint8, or floats in [0, 1].
    ``side``: R. Raises UserError for any other type, shape or range.
    """
    array = images.dtype if isinstance(images, np.ndarray) else None
    if array is not None and (array == np.uint8 or array.kind == "f"):
        images = torch.from_numpy(np.array(images, np.uint8 if array == np.uint8 else np.float64))
    if not isinstance(images, Tensor) or not (images.dtype == torch.uint8 or images.is_floating_point()):
        found = type(images).__name__ if array is None and not isinstance(images, Tensor) else images.dtype
        raise UserError(f"images are {found}; give a NumPy array or a torch tensor, uint8 or floats in [0, 1]")
    image = (side, side, 3) if array is not None else (3, side, side)
    if images.ndim not in (3, 4) or images.shape[-3:] != image:
        raise UserError(
            f"images have the shape {tuple(images.shape)}, but this run swaps faces {image} or (n, {str(image)[1:]}; "
            f"cut and resize them to its face region"
        )
    form = Form(array, images.dtype, images.device, images.ndim == 3)
    faces = images.detach().cpu()
    faces = faces.float() / 255 if faces.dtype == torch.uint8 else faces
    if faces.numel() and not (faces.min() >= 0 and faces.max() <= 1):
        raise UserError(f"images reach from {faces.min():g} to {faces.max():g}; give floats in [0, 1], or uint8")
    faces = (faces[None] if form.single else faces).float()
    return faces.movedim(-1, -3).contiguous() if array is not None else faces.contiguous(), form
