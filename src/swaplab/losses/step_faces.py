"""The faces of one batch as losses and networks see them, and random numbers for each."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from swaplab.errors import UserError
from swaplab.losses.mixup import mixed_with_next
from swaplab.losses.settings import StepSettings
from swaplab.randomness import generator_at


class StepFaces:
    """The part of a step that needs no network.

    ``faces``: identity -> {"input": (n, 3, R, R), "target": (n, 3, R, R)} in [0, 1], optionally with "masks"
    (n, k, R, R). ``position``: (n,) positions in the run.
    """

    def __init__(self, faces: Mapping[str, Mapping[str, Tensor]], position: Tensor, settings: StepSettings) -> None:
        self.faces, self.position, self.settings = faces, position, settings
        self._shown: Mapping[str, Mapping[str, Tensor]] = faces
        if settings.mixup is not None:
            self._shown = {n: {k: self._mixed(v, n) for k, v in of.items()} for n, of in faces.items()}

    def mean(self, values: Tensor) -> Tensor:
        """This rank's share of the mean of ``values`` (n, ...) over the global batch. Shares add up to the mean exactly
        even if ranks hold unequal numbers of faces."""
        return values.sum() / (values[0].numel() * self.settings.global_batch)

    def others(self, name: str) -> tuple[str, ...]:
        """All identities of the batch except ``name``."""
        return tuple(other for other in self.faces if other != name)

    def input(self, name: str) -> Tensor:
        """The noisy faces of ``name`` that the network sees, (n, 3, R, R) in [0, 1]."""
        return self._shown[name]["input"]

    def target(self, name: str) -> Tensor:
        """The faces of ``name`` that the network must reconstruct, (n, 3, R, R) in [0, 1]."""
        return self._shown[name]["target"]

    def mask(self, name: str, which: str) -> Tensor:
        """The mask ``which`` ("face", "eyes", ...) of the targets of ``name``, (n, 1, R, R) in [0, 1].

        Raises UserError if the batch does not have it.
        """
        if which not in self.settings.masks:
            raise UserError(f"a loss needs the mask '{which}' of the faces; set +data_masks.{which}=true")
        return self._shown[name]["masks"].narrow(1, self.settings.masks.index(which), 1)

    def uniform(self, purpose: str, name: str) -> Tensor:
        """Numbers (n,) in [0, 1), one per face of ``name``, a function of (seed, purpose, identity, position)."""
        return self._drawn([g.random() for g in self._generators(purpose, name)])

    def beta(self, purpose: str, name: str, a: float) -> Tensor:
        """Numbers (n,) from Beta(a, a) in [0, 1], one per face of ``name``, keyed like `uniform`."""
        return self._drawn([g.beta(a, a) for g in self._generators(purpose, name)])

    def one_beta(self, purpose: str, name: str, a: float) -> float:
        """One number from Beta(a, a) for all faces of ``name`` on all ranks, keyed by the step's first position."""
        first = int(self.position[0]) // self.settings.global_batch * self.settings.global_batch
        return float(generator_at(self.settings.seed, "model", purpose, name, first).beta(a, a))

    def _generators(self, purpose: str, name: str) -> Iterator[np.random.Generator]:
        for position in self.position.tolist():
            yield generator_at(self.settings.seed, "model", purpose, name, position)

    def _drawn(self, numbers: list[float]) -> Tensor:
        like = next(iter(self.faces.values()))["input"]
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)

    def _mixed(self, values: Tensor, name: str) -> Tensor:
        assert self.settings.mixup is not None
        return mixed_with_next(values, self.beta("mixup", name, self.settings.mixup.alpha))
