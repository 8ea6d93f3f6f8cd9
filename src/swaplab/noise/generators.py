"""Random generators that are cheap to move to the start of a named stream."""

import random
from typing import Any

import numpy as np

from swaplab.randomness import key_of

_WORD = 2**64 - 1


class KeyedGenerators:
    """A NumPy and a Python generator that can be reset to the start of a named stream.

    NumPy draws equal those of ``swaplab.randomness.generator_at``; resetting is much cheaper than constructing.
    """

    def __init__(self) -> None:
        self.numpy, self.python = np.random.Generator(np.random.Philox(key=0)), random.Random(0)
        self._start: Any = self.numpy.bit_generator.state

    def move_to(self, seed: int, *where: str | int) -> None:
        key = key_of(seed, *where)
        self._start["state"]["key"][:] = key & _WORD, key >> 64
        self.numpy.bit_generator.state = self._start
        self.python.seed(key)
