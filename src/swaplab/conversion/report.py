"""What a conversion did: counts, and where the time went."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Report:
    """Frames read and written, faces swapped and left alone, frames without a swapped face, seconds per stage.

    ``implausible`` faces were left alone because no face has such points.
    ``notes`` says in words what of the original could not be kept.
    """

    frames_in: int = 0
    frames_out: int = 0
    faces: int = 0
    other_faces: int = 0
    implausible: int = 0
    passed_through: int = 0
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the ``with`` block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started
