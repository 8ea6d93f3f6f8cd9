"""The result of a conversion: counts, and time per stage."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Report:
    """Counts and times of a conversion.

    ``faces``: swapped. ``other_faces``: not chosen. ``implausible``: not swapped because of implausible points.
    ``passed_through``: frames without a swapped face. ``seconds``: by stage. ``notes``: what could not be kept of the
    original.
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
        """Add the time of the ``with`` block to the stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started
