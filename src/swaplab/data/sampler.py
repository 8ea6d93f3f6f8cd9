"""The positions of a run and the faces at them, as pure functions that do not depend on workers, ranks or restarts."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, count, islice

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from swaplab.errors import UserError
from swaplab.randomness import generator_at


@lru_cache(maxsize=64)
def epoch_order(seed: int, identity: str, epoch: int, faces: int) -> NDArray[np.int64]:
    """The permutation (faces,) of an identity's faces in one epoch."""
    return generator_at(seed, "order", identity, epoch).permutation(faces)


def face_at(position: int, seed: int, identity: str, faces: int) -> int:
    """The index of the face of ``identity`` at a position of the run; each face occurs once per epoch of ``faces``
    positions."""
    epoch, place = divmod(position, faces)
    return int(epoch_order(seed, identity, epoch, faces)[place])


class PositionSampler(Sampler[list[int]]):
    """The positions of one rank in each step.

    A step consumes ``parts`` batches of ``batch_size`` positions over all ranks. Each rank takes a contiguous shard of
    every batch; if the division leaves a remainder, the first ranks take one position more. A rank's list holds its
    shards batch by batch, so that it can be split into ``parts`` equal pieces. The first step starts at
    ``start_position``. With ``total``, no step goes beyond ``total`` positions; without it, steps never end. ``steps``:
    number of steps per list; the last list may be shorter. Raises UserError if there are fewer positions than ranks.
    """

    def __init__(
        self,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        start_position: int = 0,
        total: int | None = None,
        parts: int = 1,
        steps: int = 1,
    ) -> None:
        if batch_size < world_size:
            raise UserError(f"batch_size must be at least {world_size}, the number of processes; got {batch_size}")
        self.batch_size, self.parts, self.steps = batch_size, parts, steps
        self.start_position, self.total = start_position, total
        share, rest = divmod(batch_size, world_size)
        begin = rank * share + min(rank, rest)
        self._shard = range(begin, begin + share + (rank < rest))

    def __iter__(self) -> Iterator[list[int]]:
        each = self._each()
        while positions := list(chain.from_iterable(islice(each, self.steps))):
            yield positions

    @property
    def per_step(self) -> int:
        """The number of this rank's positions per step."""
        return self.parts * len(self._shard)

    def _each(self) -> Iterator[list[int]]:
        for start in count(self.start_position, self.parts * self.batch_size):
            if self.total is not None and start + self.parts * self.batch_size > self.total:
                return
            yield [start + part * self.batch_size + i for part in range(self.parts) for i in self._shard]
