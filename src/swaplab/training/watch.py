"""Detects that a rank is gone; a collective does not report it, and waits forever on GPUs."""

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

BEAT = 1.0  # seconds between two heartbeats
SILENCE = 20  # own heartbeats without one from another rank; a pause of the whole machine does not count
GRACE = 10.0  # seconds for the main thread to end by itself
PATIENCE = SILENCE * BEAT + 5  # seconds after which a lost rank is known
GONE = "rank 0 is gone"
SENTENCE = "{}; the same command resumes from the last checkpoint"


def of_the_connection(error: BaseException) -> bool:
    """Whether an error only means that the connection to another rank broke."""
    return isinstance(error, dist.DistError) or (type(error) is RuntimeError and "gloo" in str(error).lower())


class Watch:
    """A thread that watches the other ranks while the main thread may be blocked; on one rank it does nothing.

    Every rank sends heartbeats to the store of the process group; rank 0 watches all ranks, the others watch rank 0.
    The store is in rank 0, and calls to it block while rank 0 is stuck: so heartbeats have a thread of their own, and a
    blocked call counts as a missing heartbeat. Rank 0 also watches the ranks that it started as child processes; they
    end with it. If a rank is lost, the main thread has `GRACE` seconds to end by itself (a gloo collective fails at
    once). Then ``close`` is called with the reason, and the process ends. After a request to stop in ``requests`` it
    waits less.
    """

    def __init__(self, ranks: Ranks, close: Callable[[str], object], requests: Requests) -> None:
        self.ranks, self._close, self._requests = ranks, close, requests
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self._parent = os.getppid() if own_child() else None
        self._store: dist.Store | None = None
        self._beats: dict[int, tuple[int, int]] = {}
        self._answers, self._amiss = 0, ""  # number of answers of the store; the reason it gave
        self._reason: str | None = None
        self._found, self._over = threading.Event(), threading.Event()
        if ranks.world > 1:
            threading.Thread(target=self._run, name="watch", daemon=True).start()

    def join(self) -> None:
        """Start heartbeats when the process group exists, on a separate connection, because others may block."""
        place, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self._store = dist.TCPStore(place, port, None, False, timedelta(seconds=SILENCE))
        threading.Thread(target=self._beat, args=(self._store,), name="beat", daemon=True).start()

    def lost(self, patience: float = 0.0) -> str | None:
        """Wait up to ``patience`` seconds for a lost rank; returns which one is gone and why, or None."""
        self._found.wait(patience)
        return self._reason

    def leave(self, reason: str | None = None) -> None:
        """Tell the other ranks that this one ends. ``reason``: why it ends early, if it does."""
        self._over.set()
        if self._store is not None:
            said = threading.Thread(target=self._say, args=(self._store, reason or ""), daemon=True)
            said.start()
            said.join(SILENCE * BEAT)  # do not wait longer for a stuck rank 0

    def reap(self, patience: float = GRACE) -> None:
        """Wait for the processes that this rank started; kill those that do not end."""
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
                time.sleep(2 * BEAT)  # until a heartbeat has delivered the rank's reason
            found = self._amiss or ended or (GONE if missed > SILENCE else None)
            if found and not self._over.is_set():
                self._reason = found
        self._found.set()
        asked = self._requests.number
        if self._over.wait(BEAT if asked else GRACE):
            return
        # the main thread is blocked
        closing = threading.Thread(target=self._close, args=(self._reason,), daemon=True)
        closing.start()
        if asked:
            closing.join(GRACE)
        else:
            time.sleep(GRACE)  # the main thread may still end
        for child in self.children.values():
            child.kill()
        if self.ranks.main:
            why = str(Stopped(asked)) if asked else f"failed: {SENTENCE.format(self._reason)}"
            print(f"swaplab train: {why}", file=sys.stderr, flush=True)
        os._exit(128 + asked if asked else 1)

    def _beat(self, store: dist.Store) -> None:
        """Send heartbeats and look for those of other ranks, as long as the store answers."""
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
                # it had no signal handler yet; this rank got the same signal, but cannot handle it while it waits
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
                return GONE if rank == 0 else f"rank {rank} sent no heartbeat for {SILENCE * BEAT:.0f} seconds"
        return None

    def _left(self, store: dist.Store, rank: int) -> str | None:
        """Why a rank ended early; empty if it ended normally, None if it has not ended."""
        if not store.check([f"left/{rank}"]):
            return None
        reason = store.get(f"left/{rank}").decode()
        return f"rank {rank} ended: {reason}" if reason else ""
