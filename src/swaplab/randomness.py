"""Random draws that depend only on their coordinates, such as (seed, identity, position, operation).

So a sample does not depend on workers, ranks, prefetching, resuming or other draws.
"""

import hashlib

import numpy as np


def key_of(seed: int, *where: str | int) -> int:
    """The 128-bit key of the coordinates ``where`` and the seed; different coordinates have different keys.

    Coordinates are joined with their types and lengths, so ("a", "b") and ("ab",) differ, and so do 1 and "1".
    """
    parts = [(type(part).__name__, str(part)) for part in (seed, *where)]
    text = "".join([f"{kind}{len(part)}:{part}" for kind, part in parts])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator_at(seed: int, *where: str | int) -> np.random.Generator:
    """A new counter-based generator (Philox; Salmon et al. 2011) for the coordinates ``where``."""
    return np.random.Generator(np.random.Philox(key=key_of(seed, *where)))
