"""Notices that a rank is gone: no collective tells, on GPUs it waits for ever."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import torch.distributed as dist

from swaplab.stopping import Requests, Stopped, signal_of
from swaplab.training.launch import Ranks, own_child

BEAT = 1.0  # seconds between two signs of life
SILENCE = 20  # signs of its own that a rank waits for one of another's; what stops both counts for neither
GRACE = 10.0  # seconds in which the main thread may end in order
PATIENCE = SILENCE * BEAT + 5  # seconds in which a loss has a name
GONE = "rank 0 is gone"
SENTENCE = "{}; the same command resumes from the last checkpoint"


def of_the_connection(error: BaseException) -> bool:
    """Whether an error of a collective says no more than that another rank is gone."""
    return isinstance(error, dist.DistError) or (type(error) is RuntimeError and "gloo" in str(error).lower())


class Watch:
    """One rank's thread that looks after the others, whatever the main thread waits for.

    Every rank beats in the store where the ranks met; rank 0 looks at all, the others at rank 0. The store is rank 0's,
    and a call to it waits as long as that rank stalls: the beat is a thread of its own, and no answer is no sign of
    life. Ranks that rank 0 started are also watched as its processes, and end with it. When one is lost, the main
    thread has `GRACE` seconds to end by itself (a collective over gloo fails at once); then ``close`` is called with
    the reason, and the process ends. Where ``requests`` has asked this rank to end, it does not wait so long. On one
    rank there is nothing to watch.
    """

    def __init__(self, ranks: Ranks, close: Callable[[str], object], requests: Requests) -> None:
        self.ranks, self._close, self._requests = ranks, close, requests
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self._parent = os.getppid() if own_child() else None
        self._store: dist.Store | None = None
        self._beats: dict[int, tuple[int, int]] = {}
        self._answers, self._amiss = 0, ""  # of the store; what it says
        self._reason: str | None = None
        self._found, self._over = threading.Event(), threading.Event()
        if ranks.world > 1:
            threading.Thread(target=self._run, name="watch", daemon=True).start()

    def join(self) -> None:
        """Begin to beat: the ranks have met. A connection of its own, as another waits for what ranks have to say."""
        place, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self._store = dist.TCPStore(place, port, None, False, timedelta(seconds=SILENCE))
        threading.Thread(target=self._beat, args=(self._store,), name="beat", daemon=True).start()

    def lost(self, patience: float = 0.0) -> str | None:
        """Which rank is gone and why, as soon as it is known; None if none is after ``patience`` seconds."""
        self._found.wait(patience)
        return self._reason

    def leave(self, reason: str | None = None) -> None:
        """This rank's main thread is at its end; ``reason``: why that is before its time, for the others to tell."""
        self._over.set()
        if self._store is not None:
            said = threading.Thread(target=self._say, args=(self._store, reason or ""), daemon=True)
            said.start()
            said.join(SILENCE * BEAT)  # a rank 0 that stalls does not keep those that are done

    def reap(self, patience: float = GRACE) -> None:
        """Wait until the processes that this rank started have ended; end those that do not."""
        until = time.monotonic() + patience
        for child in self.children.values():
            try:
                child.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()

    def _say(self, store: dist.Store, reason: str) -> None:
        with contextlib.suppress(dist.DistError):  # rank 0 has ended, and its store with it
            store.set(f"left/{self.ranks.rank}", reason)

    def _run(self) -> None:
        answers, missed = 0, 0
        while self._reason is None:
            time.sleep(BEAT)
            missed = missed + 1 if self._store is not None and self._answers == answers else 0
            answers = self._answers
            ended = self._processes_amiss()
            if ended:
                time.sleep(2 * BEAT)  # until the beat has brought what a rank said before it ended
            found = self._amiss or ended or (GONE if missed > SILENCE else None)
            if found and not self._over.is_set():
                self._reason = found
        self._found.set()
        asked = self._requests.number
        if self._over.wait(BEAT if asked else GRACE):
            return
        # the main thread waits for what will never come
        closing = threading.Thread(target=self._close, args=(self._reason,), daemon=True)
        closing.start()
        if asked:
            closing.join(GRACE)
        else:
            time.sleep(GRACE)  # the main thread may still come
        for child in self.children.values():
            child.kill()
        if self.ranks.main:
            why = str(Stopped(asked)) if asked else f"failed: {SENTENCE.format(self._reason)}"
            print(f"swaplab train: {why}", file=sys.stderr, flush=True)
        os._exit(128 + asked if asked else 1)

    def _beat(self, store: dist.Store) -> None:
        """Give signs of life and look for those of others, as often as the store answers."""
        while not self._amiss:
            try:
                store.add(f"beat/{self.ranks.rank}", 1)
                self._amiss = self._others_amiss(store) or ""
            except dist.DistError:
                self._amiss = GONE
            self._answers += 1
            time.sleep(BEAT)

    def _processes_amiss(self) -> str | None:
        if self._parent is not None and os.getppid() != self._parent:
            return GONE
        for rank, child in self.children.items():
            code = child.poll()
            if code:
                # asked to end before it could listen; so was this one, which hears nothing while it waits for that one
                self._requests.number = self._requests.number or signal_of(code)
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                return f"rank {rank} {how}"
        return None

    def _others_amiss(self, store: dist.Store) -> str | None:
        for rank in range(self.ranks.world) if self.ranks.main else (0,):
            if rank == self.ranks.rank:
                continue
            beats, (before, missed) = store.add(f"beat/{rank}", 0), self._beats.get(rank, (-1, 0))
            missed = 0 if beats != before else missed + 1
            self._beats[rank] = beats, missed
            left = self._left(store, rank)
            if left:
                return left
            if left is None and missed > SILENCE:
                return GONE if rank == 0 else f"rank {rank} gave no sign of life for {SILENCE * BEAT:.0f} seconds"
        return None

    def _left(self, store: dist.Store, rank: int) -> str | None:
        """Why a rank left before its time; empty where it left in order, None where it has not left."""
        if not store.check([f"left/{rank}"]):
            return None
        reason = store.get(f"left/{rank}").decode()
        return f"rank {rank} ended: {reason}" if reason else ""
