"""The progress of long work, on stderr: a bar on a terminal, elsewhere a plain line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

EVERY = 15.0  # seconds between two lines
# called with a stage, the newly done items, and the total number of items, if known
Advance = Callable[[str, int, int | None], None]


def silent(stage: str, done: int, total: int | None) -> None:
    """Shows nothing."""


@contextmanager
def stages() -> Iterator[Advance]:
    """Yields a function that draws a bar per stage; only on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], advance=done)

        yield advance


@contextmanager
def counting(work: str, things: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of further ``things`` (such as ``faces``) done, out of ``total``.

    ``work``: what is done to them, such as ``rendering``.
    """
    if not sys.stderr.isatty():
        yield _Lines(f"{work} {things}", total).advance
        return
    columns = (TextColumn(work), BarColumn(), MofNCompleteColumn(), TextColumn(things), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(work, total=total)
        yield lambda more: bar.advance(task, more)


class _Lines:
    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self._began = self._said = time.monotonic()
        self._say(f"{total:,}")

    def advance(self, more: int) -> None:
        self.done, now = self.done + more, time.monotonic()
        if now - self._said >= EVERY and 0 < self.done < self.total:
            self._said = now
            left = (now - self._began) * (self.total - self.done) / self.done
            self._say(f"{self.done:,} of {self.total:,}, {duration(left)} left")

    def _say(self, how_far: str) -> None:
        print(f"{self.title}: {how_far}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """``40 s``, ``6 min``, ``1 h 05``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d}"
