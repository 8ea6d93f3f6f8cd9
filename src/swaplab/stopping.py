"""Signals that ask a process to end, what it does then, and how the processes that it started end with it.

In a command they raise `Stopped`, so that whatever is unfinished is cleared away; what would rather come to an end by
itself (a step, a checkpoint, the jobs of a sweep) counts them instead, within `stop_requests`. In the end the process
dies of the signal that it was asked by, which is how a shell knows that its loop is to stop, too.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

# Where a signal is ignored already (nohup, a job in a script's background), it stays so.
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
WARNINGS = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name))  # of clusters
APART = 0.5  # seconds between two requests of a person; launchers repeat what a whole process group has heard already
PARENT = "SWAPLAB_PARENT"  # the process without which this one is not to go on

_fatal = 0  # the signal that this process will die of
_command: "Requests | None" = None  # what was asked of the command that runs


class Stopped(KeyboardInterrupt):
    """This process was asked to end by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    def __reduce__(self) -> tuple[type["Stopped"], tuple[int]]:
        return Stopped, (self.number,)


class Requests:
    """A handler of signals. ``number`` is the first that came, 0 while none has; ``count`` how often it was meant.

    Only SIGINT can be meant again, `APART` seconds later. From the request number ``limit`` on each raises `Stopped`.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.number = self.count = 0
        self._last = 0.0

    def __call__(self, number: int, frame: object = None) -> None:
        now = time.monotonic()
        if self.number and not (number == signal.SIGINT and now - self._last > APART):
            return
        self.number, self.count, self._last = self.number or number, self.count + 1, now
        if self.limit is not None and self.count >= self.limit:
            raise Stopped(self.number)

    def taken_over(self, inner: "Requests") -> None:
        """Remember what came while another handler was in place."""
        if inner.number:
            self.number, self.count, self._last = self.number or inner.number, self.count + inner.count, inner._last


@contextlib.contextmanager
def stop_requests(*more: int, limit: int | None = None) -> Iterator[Requests]:
    """Count the signals that ask to end, and ``more``; see `Requests`. Outside the main thread none arrive."""
    requests, before = Requests(limit), {}
    if threading.current_thread() is threading.main_thread():
        heard = [number for number in (*ENDING, *more) if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, requests) for number in heard}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for outer in {id(it): it for it in before.values() if isinstance(it, Requests)}.values():
            outer.taken_over(requests)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """A command: signals raise `Stopped`; where that comes out of here, the process ends, and dies of the signal."""
    global _command, _fatal
    atexit.register(_die)  # early, so that it is called after what others register
    try:
        with stop_requests(limit=1) as _command:
            try:
                yield
            except Exception:
                obey()
                raise
    except Stopped as stopped:
        _fatal = stopped.number
        for number in ENDING:  # on its way out nothing is left to be saved
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        raise


def obey() -> None:
    """Raise `Stopped` if the command was asked to end: whatever breaks after that, breaks by being stopped midway."""
    if _command is not None and _command.number:
        raise Stopped(_command.number) from None


def _die() -> None:
    """Die of the signal, as the last thing of all: by now everything is written and told."""
    if not _fatal:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    signal.signal(_fatal, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [_fatal])
    os.kill(os.getpid(), _fatal)
    os._exit(128 + _fatal)  # the first process of a container does not die of it


def signal_of(code: int) -> int:
    """The signal that ended a process with an exit code, as Python or as a shell gives it; 0 if none did."""
    number = -code if code < 0 else code - 128
    return number if number in (*ENDING, *WARNINGS) else 0


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Processes that are started meanwhile do not hear the signals that ask this one to end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_parent() -> None:
    """In a worker: hear nobody but the process that started it, and end with that.

    A signal to the whole process group reaches workers, too: those that died of it would take along a run that has a
    checkpoint to write.
    """
    from multiprocessing import parent_process

    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    started_by = parent_process()
    parent = os.getppid() if started_by is None else started_by.pid

    def watch() -> None:
        while os.getppid() == parent and _sender(1.0) != parent:
            pass
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _sender(seconds: float) -> int | None:
    """Who sent a signal that is blocked, within ``seconds``."""
    if not hasattr(signal, "sigtimedwait"):  # macOS
        time.sleep(seconds)
        return None
    received = signal.sigtimedwait(ENDING, seconds)
    return received.si_pid if received is not None else None


def end_with_parent() -> None:
    """Where another command started this one and named itself, stop as soon as that is gone: SIGTERM saves a run."""
    parent = int(os.environ.pop(PARENT, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
