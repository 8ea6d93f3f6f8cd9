"""Render many faces with several processes, in order, and show the progress."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context

import cv2

from swaplab.faces.alignment import Alignment
from swaplab.progress import counting
from swaplab.stopping import follow_parent, shielded
from swaplab.synthetic.frames import Face, Shot, shoot
from swaplab.synthetic.mesh import head

_CHUNK = 16
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Studio:
    """Renders shots with ``workers`` processes (1: in this process), which start as the block is entered."""

    def __init__(self, alignment: Alignment, workers: int) -> None:
        self.alignment, self.workers = alignment, workers

    def __enter__(self) -> "Studio":
        with ExitStack() as opened:
            if self.workers > 1:
                # spawn, because a process with torch threads or CUDA cannot be forked
                self._pool = ProcessPoolExecutor(self.workers, get_context("spawn"), initializer=_begin_worker)
                opened.callback(self._pool.shutdown, cancel_futures=True)
                opened.enter_context(_one_thread())
                with shielded():
                    for _ in range(self.workers):  # they start while the caller still draws what they will render
                        self._pool.submit(_warm_up)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def shoot(self, shots: Sequence[Shot]) -> Iterator[Face]:
        """The faces of ``shots``, in order."""
        chunks = (shots[i : i + _CHUNK] for i in range(0, len(shots), _CHUNK))
        if self.workers <= 1:
            done: Iterator[list[Face]] = (_shoot(chunk, self.alignment) for chunk in chunks)
        else:
            done = self._ahead(chunks)
        with counting("rendering", "faces", len(shots)) as advance:
            for faces in done:
                advance(len(faces))
                yield from faces

    def _ahead(self, chunks: Iterator[Sequence[Shot]]) -> Iterator[list[Face]]:
        """Results in order, with a few chunks per worker in progress."""
        waiting: list[Future[list[Face]]] = []
        for chunk in chunks:
            with shielded():  # may start a worker process
                waiting.append(self._pool.submit(_shoot, chunk, self.alignment))
            if len(waiting) > 3 * self.workers:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _begin_worker() -> None:
    follow_parent()
    cv2.setNumThreads(1)


def _warm_up() -> None:
    """Read what every rendering needs."""
    head()


def _shoot(shots: Sequence[Shot], alignment: Alignment) -> list[Face]:
    return [shoot(shot, alignment) for shot in shots]


@contextmanager
def _one_thread() -> Iterator[None]:
    """A context in which new processes use one thread each; thread pools read their size at import."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
