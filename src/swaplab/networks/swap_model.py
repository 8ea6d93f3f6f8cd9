"""A generator as it is used: whole swaps of faces, without gradients."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from swaplab.faces.hull import hull_mask
from swaplab.networks.generator import Generator, decoded, matched
from swaplab.networks.pretrained.landmarks import Landmarker


class SwapModel:
    """Faces in, swapped faces out.

    ``composition``: whether the mask composes the result. ``composed_by``: the mask of the faces that does so where
    none is learned: ``face``, which those who measure give, or ``hull``, of landmarks found in the face itself.
    """

    def __init__(self, generator: nn.Module, composed_by: str | None = None, composition: bool = True) -> None:
        self.generator = generator.eval()
        self.composition = composition
        self.given_mask = composition and composed_by == "face"
        self._landmarker = Landmarker() if composition and composed_by == "hull" else None
        self.device, self.dtype = next((p.device, p.dtype) for p in generator.parameters())

    @torch.no_grad()
    def swap(self, faces: Tensor, source: str, target: str) -> tuple[Tensor, Tensor | None, Tensor]:
        """Faces (n, 3, R, R) of ``source`` in [0, 1] -> raw, mask (n, 1, R, R) or None, composed; float32 on CPU."""
        generator = self.generator
        assert isinstance(generator, Generator)
        x = faces.to(self.device, self.dtype, memory_format=torch.channels_last)
        code = matched(generator, generator.encode(x, source), source, target)
        output = decoded(generator, code, target)
        if self._landmarker is not None:
            output = replace(output, mask=_hulls(self._landmarker, faces).to(x))
        if output.mask is None or not self.composition:
            raw = output.raw.float().cpu()
            return raw, None, raw
        return output.raw.float().cpu(), output.mask.float().cpu(), output.composed(x).float().cpu()


def swap_model(generator: nn.Module, config: Mapping[str, Any]) -> SwapModel:
    """The generator of a run, composed as its config says."""
    return SwapModel(generator, config["composed_by"], config["composition"])


def _hulls(landmarker: Landmarker, faces: Tensor) -> Tensor:
    """Hulls (n, 1, R, R) in [0, 1] of face regions (n, 3, R, R)."""
    points = landmarker.landmarks(faces.float().cpu()).numpy()
    return torch.stack([torch.from_numpy(hull_mask(p, faces.shape[-2:])) for p in points])[:, None] / 255
