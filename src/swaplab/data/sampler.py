"""Positions of a run and the faces at them, as pure functions: nothing depends on workers, ranks or
restarts."""

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
    """The permutation (faces,) in which an identity's faces come in one epoch."""
    return generator_at(seed, "order", identity, epoch).permutation(faces)


def face_at(position: int, seed: int, identity: str, faces: int) -> int:
    """The face of ``identity`` at a position of the run; every face comes once in an epoch of ``faces``
    positions."""
    epoch, place = divmod(position, faces)
    return int(epoch_order(seed, identity, epoch, faces)[place])


class PositionSampler(Sampler[list[int]]):
    """A rank's positions of each step.

    A step consumes ``parts`` times ``batch_size`` positions over all ranks. Of every part each rank takes a
    contiguous shard, the first ranks one more where the division leaves a rest; a rank's list holds its
    shards part after part, so that it can be cut into ``parts`` equal pieces. The first step begins at
    ``start_position``; without ``total`` there is no last one, with it no step goes beyond ``total``
    positions. ``steps``: so many come as one list, the last one perhaps shorter. Raises UserError for fewer
    positions than ranks.
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
            raise UserError(
                f"batch_size={batch_size} cannot be shared by {world_size} processes; set it to at least {world_size}"
            )
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
        """How many positions of a step are this rank's."""
        return self.parts * len(self._shard)

    def _each(self) -> Iterator[list[int]]:
        for start in count(self.start_position, self.parts * self.batch_size):
            if self.total is not None and start + self.parts * self.batch_size > self.total:
                return
            yield [start + part * self.batch_size + i for part in range(self.parts) for i in self._shard]
