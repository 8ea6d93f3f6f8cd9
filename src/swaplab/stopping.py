"""Signals that ask a process to stop, and processes that stop with their parent.

In a command these signals raise `Stopped`, so that unfinished work is cleaned up. Code that must first finish something
(a step, a checkpoint, the jobs of a sweep) counts them instead, within `stop_requests`. In the end the process kills
itself with the signal, so that a shell also stops its loop.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

# A signal that is already ignored (nohup, a background job of a script) stays ignored.
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
WARNINGS = tuple(
    getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)  # clusters send them before the end
APART = 0.5  # minimum seconds between two requests of a user; launchers repeat a signal to the process group
PARENT = "SWAPLAB_PARENT"  # environment variable: ID of the parent process; this one stops when that ends

_fatal = 0  # the signal that this process will kill itself with
_command: "Requests | None" = None  # the requests to the running command


class Stopped(KeyboardInterrupt):
    """This process was asked to stop by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    def __reduce__(self) -> tuple[type["Stopped"], tuple[int]]:
        return Stopped, (self.number,)


class Requests:
    """A signal handler. ``number``: the first signal received, or 0; ``count``: the number of requests to stop.

    Only a SIGINT more than `APART` seconds later counts as another request. ``first`` is called at the first request.
    From request number ``limit`` on, each one raises `Stopped`, also within ``first``.
    """

    def __init__(self, limit: int | None, first: Callable[[], None] | None = None) -> None:
        self.limit, self.first = limit, first
        self.number = self.count = 0
        self._last = 0.0

    def __call__(self, number: int, frame: object = None) -> None:
        now = time.monotonic()
        if self.number and not (number == signal.SIGINT and now - self._last > APART):
            return
        self.number, self.count, self._last = self.number or number, self.count + 1, now
        if self.count == 1 and self.first is not None:
            self.first()
        if self.limit is not None and self.count >= self.limit:
            raise Stopped(self.number)

    def taken_over(self, inner: "Requests") -> None:
        """Add the requests that another handler received in the meantime."""
        if inner.number:
            self.number, self.count, self._last = self.number or inner.number, self.count + inner.count, inner._last


@contextlib.contextmanager
def stop_requests(*more: int, limit: int | None = None, first: Callable[[], None] | None = None) -> Iterator[Requests]:
    """Count the signals in `ENDING` and ``more``; see `Requests`. Only the main thread receives any."""
    requests, before = Requests(limit, first), {}
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
    """The context of a command: signals raise `Stopped`, and the process then exits by that signal."""
    global _command, _fatal
    atexit.register(_die)  # registered first, so called last
    try:
        with stop_requests(limit=1) as _command:
            try:
                yield
            except Exception:
                obey()
                raise
    except Stopped as stopped:
        _fatal = stopped.number
        for number in ENDING:  # nothing is left to save
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        raise


def obey() -> None:
    """Raise `Stopped` if the command was asked to stop; an error after that is a consequence of stopping."""
    if _command is not None and _command.number:
        raise Stopped(_command.number) from None


def _die() -> None:
    """Kill this process with the signal, after all other exit handlers."""
    if not _fatal:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    signal.signal(_fatal, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [_fatal])
    os.kill(os.getpid(), _fatal)
    os._exit(128 + _fatal)  # the signal does not kill the first process of a container


def signal_of(code: int) -> int:
    """The signal that ended a process, from its exit code in the convention of Python or of shells; 0 if none did."""
    number = -code if code < 0 else code - 128
    return number if number in (*ENDING, *WARNINGS) else 0


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """A context in which started processes block the signals in `ENDING`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_parent() -> None:
    """In a worker process: ignore stop signals except from the parent, and end with the parent.

    A signal to the process group also reaches the workers. If it killed them, the run would fail before it writes its
    checkpoint.
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
    """The sender of a blocked signal that arrives within ``seconds``."""
    if not hasattr(signal, "sigtimedwait"):  # macOS
        time.sleep(seconds)
        return None
    received = signal.sigtimedwait(ENDING, seconds)
    return received.si_pid if received is not None else None


def end_with_parent() -> None:
    """If the parent command set `PARENT`, send SIGTERM to this process when the parent ends, so that a run is saved."""
    parent = int(os.environ.pop(PARENT, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
