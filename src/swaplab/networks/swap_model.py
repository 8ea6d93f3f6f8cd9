"""Inference with a generator: complete swaps of faces, without gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swaplab.faces.hull import hull_mask
from swaplab.networks.composition import Composition
from swaplab.networks.generator import swapped
from swaplab.networks.pretrained.landmarks import Landmarker
from swaplab.networks.protocols import Generator

# What training added to every face of an identity, per channel in units of [0, 1]:
# {"A": {"input": [r, g, b], "target": [r, g, b]}}.
ColourShifts = Mapping[str, Mapping[str, Sequence[float]]]


class SwapModel:
    """Faces in, swapped faces out. Evaluation, sample sheets and conversion all use it.

    ``composition``: how the result is blended; a ``hull`` comes from landmarks detected in the face itself. ``shifts``:
    colour shifts of training, applied to the generator's input and removed from its output.
    """

    def __init__(self, generator: nn.Module, composition: Composition, shifts: ColourShifts) -> None:
        self.generator, self.composition, self.shifts = generator.eval(), composition, shifts
        self._landmarker = Landmarker() if composition.on and composition.by == "hull" else None
        self.device, self.dtype = next((p.device, p.dtype) for p in generator.parameters())

    @torch.no_grad()
    def encode(self, faces: Tensor, source: str) -> Tensor:
        """The codes of faces (n, 3, R, R) in [0, 1] of ``source``."""
        return self._typed.encode(self._seen(self._there(faces), source), source)

    @torch.no_grad()
    def swap(
        self, faces: Tensor, source: str, target: str, given: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Faces (n, 3, R, R) in [0, 1] of ``source`` -> raw, mask (n, 1, R, R) or None, composed; float32 on the CPU.

        ``given``: the face masks (n, 1, R, R) of the faceset, or None; used if the composition is by ``face``.
        """
        x = self._there(faces)
        output = swapped(self._typed, self._seen(x, source), source, target)
        output = replace(output, raw=self._shifted(output.raw, target, "target", -1))
        output = self.composition.masked(output, self._mask(faces, given))
        raw, picture = output.raw.float().cpu(), self.composition.picture(output, x).float().cpu()
        return raw, output.mask.float().cpu() if output.mask is not None and self.composition.on else None, picture

    @property
    def _typed(self) -> Generator:
        assert isinstance(self.generator, Generator)
        return self.generator

    def _there(self, faces: Tensor) -> Tensor:
        return faces.to(self.device, self.dtype, memory_format=torch.channels_last)

    def _seen(self, faces: Tensor, source: str) -> Tensor:
        """Faces in the colours of training."""
        return self._shifted(faces, source, "input", 1)

    def _shifted(self, faces: Tensor, name: str, kind: str, sign: int) -> Tensor:
        if name not in self.shifts:
            return faces
        return (faces + sign * faces.new_tensor(self.shifts[name][kind])[:, None, None]).clamp(0, 1)

    def _mask(self, faces: Tensor, given: Tensor | None) -> Tensor | None:
        """The mask that the composition names, or None where unknown."""
        if self._landmarker is not None:
            given = _hulls(self._landmarker, faces)
        elif self.composition.by != "face":
            given = None
        return None if given is None else given.to(self.device, self.dtype)


def swap_model(generator: nn.Module, config: Mapping[str, Any], shifts: ColourShifts) -> SwapModel:
    """The generator of a run with the composition of its config. ``shifts``: the colour shifts of its training."""
    return SwapModel(generator, Composition.of(config), shifts)


def pixels(faces: Tensor) -> NDArray[np.uint8]:
    """Faces (n, 3, R, R) in [0, 1], clipped and rounded, as RGB (n, R, R, 3)."""
    levels = (faces.float().clamp(0, 1) * 255).round().byte()
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def _hulls(landmarker: Landmarker, faces: Tensor) -> Tensor:
    """Hull masks (n, 1, R, R) in [0, 1] of face regions (n, 3, R, R)."""
    points = landmarker.landmarks(faces.float().cpu()).numpy()
    return torch.stack([torch.from_numpy(hull_mask(p, faces.shape[-2:])) for p in points])[:, None] / 255
