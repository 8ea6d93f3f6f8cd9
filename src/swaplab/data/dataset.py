"""A dataset that maps positions of a run to noisy faces of all identities."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from swaplab.data.sampler import face_at
from swaplab.noise.operation import Picture
from swaplab.noise.pipeline import NoisePipeline


class Batch(TypedDict):
    """``position``: int64 (n,). ``faces[identity]``: ``input``, ``target`` and, if requested, ``masks``.

    Images are uint8 (n, C, R, R), 0 to 255, in channels-last memory.
    """

    position: Tensor
    faces: dict[str, dict[str, Tensor]]


class Pool(Sequence[Picture]):
    """The faces of all identities as one sequence, without copying."""

    def __init__(self, stacks: Sequence[Picture]) -> None:
        self._stacks = list(stacks)
        self._ends = list(accumulate(len(stack) for stack in self._stacks))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: Any) -> Any:
        stack = bisect_right(self._ends, index)
        return self._stacks[stack][index - self._ends[stack]]


class NoisyFaces(Dataset[Any]):
    """Network input and target, both (R, R, 3), of every identity at a position of the run.

    ``faces[identity]``: stored crops uint8 (n, stored, stored, 3), kept in memory read-only; ``masks``: the same with k
    channels, or empty. ``means``: the mean colour (3,) of each identity, 0 to 255. A sample is a function of (seed,
    position) only.
    """

    def __init__(
        self, faces: Mapping[str, Picture], noise: NoisePipeline, seed: int, masks: Mapping[str, Picture] | None = None
    ) -> None:
        self.faces, self.masks, self.noise, self.seed = dict(faces), dict(masks or {}), noise, seed
        for stack in (*self.faces.values(), *self.masks.values()):
            stack.flags.writeable = False
        self._pool = Pool(list(self.faces.values()))
        self.means = {name: stack.mean((0, 1, 2)) for name, stack in self.faces.items()}

    def __getitem__(self, position: int) -> dict[str, Any]:
        return {"position": position, "faces": {name: self._sample(name, position) for name in self.faces}}

    def _sample(self, identity: str, position: int) -> dict[str, Picture]:
        face = face_at(position, self.seed, identity, len(self.faces[identity]))
        masks = self.masks[identity][face] if self.masks else None
        pair = self.noise(identity, position, self.faces[identity][face], masks, self._pool, self.means)
        sample = {"input": pair.input, "target": pair.target}
        return sample if pair.masks is None else {**sample, "masks": pair.masks}


def collate(samples: Sequence[dict[str, Any]]) -> Batch:
    """Stack samples; images (R, R, C) become (n, C, R, R) views in channels-last memory."""
    first = samples[0]["faces"]
    return {
        "position": torch.tensor([sample["position"] for sample in samples], dtype=torch.int64),
        "faces": {
            name: {kind: _stacked([sample["faces"][name][kind] for sample in samples]) for kind in kinds}
            for name, kinds in first.items()
        },
    }


def _stacked(pictures: list[Picture]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def divided(batch: Batch, size: int) -> Iterator[Batch]:
    """Split a batch into batches of ``size`` positions each, in order, as views."""
    count = len(batch["position"])
    for begin in range(0, count, size):
        part = slice(begin, begin + size)
        faces = {name: {kind: pictures[part] for kind, pictures in of.items()} for name, of in batch["faces"].items()}
        yield {"position": batch["position"][part], "faces": faces}
