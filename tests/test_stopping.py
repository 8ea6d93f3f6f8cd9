"""What a process makes of the signals that ask it to end."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from swaplab import stopping
from swaplab.cli.ending import run_command, stopped_in_order
from swaplab.errors import UserError
from swaplab.stopping import Requests, Stopped, signal_of, stop_requests


@pytest.fixture(autouse=True)
def _heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals reach this process whatever started it, and whatever happens none of them ends the tests."""
    before = {number: signal.signal(number, lambda *_: None) for number in stopping.ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def heard(requests: Requests, *numbers: int) -> tuple[int, int]:
    for number in numbers:
        os.kill(os.getpid(), number)
    return requests.number, requests.count


def test_the_first_signal_counts_and_launchers_repeat_it_in_vain() -> None:
    with stop_requests() as requests:
        assert heard(requests, signal.SIGTERM, signal.SIGTERM, signal.SIGINT) == (signal.SIGTERM, 1)


def test_a_person_can_mean_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "APART", 0.01)
    with stop_requests() as requests:
        assert heard(requests, signal.SIGINT) == (signal.SIGINT, 1)
        time.sleep(0.02)
        assert heard(requests, signal.SIGTERM) == (signal.SIGINT, 1)  # whoever sends that is a program
        assert heard(requests, signal.SIGINT) == (signal.SIGINT, 2)
    with stop_requests(limit=2) as requests:
        heard(requests, signal.SIGTERM)
        time.sleep(0.02)
        with pytest.raises(Stopped, match="stopped by SIGTERM"):
            heard(requests, signal.SIGINT)


def test_what_came_while_it_was_counted_is_not_raised_again_around_it() -> None:
    with stop_requests(limit=1) as outer:
        with stop_requests() as inner:
            heard(inner, signal.SIGTERM)
        assert heard(outer, signal.SIGTERM, signal.SIGHUP) == (signal.SIGTERM, 1)


@pytest.mark.parametrize("error", [UserError("half a thing"), AttributeError("of half a thing")])
def test_what_breaks_by_being_stopped_is_no_fault_of_its_own(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library that a signal interrupts may raise something else while it clears away."""

    def run(_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise error

    monkeypatch.setattr(stopping, "_fatal", 0)  # so that it is again when this test has ended, and pytest lives
    with pytest.raises(SystemExit, match="143"), stopped_in_order("swaplab x"):
        run_command("swaplab x", SimpleNamespace(run=run), [])  # type: ignore[arg-type]
    assert capsys.readouterr().err == "swaplab x: stopped by SIGTERM\n"


def test_what_is_ignored_stays_so() -> None:
    """``nohup`` starts a command that ignores SIGHUP."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_requests() as requests:
        assert heard(requests, signal.SIGHUP) == (0, 0)


def test_other_signals_count_where_they_are_named() -> None:
    with stop_requests(signal.SIGUSR1) as requests:
        assert heard(requests, signal.SIGUSR1) == (signal.SIGUSR1, 1)


def test_stopped_travels_between_processes() -> None:
    stopped = pickle.loads(pickle.dumps(Stopped(signal.SIGTERM)))
    assert (stopped.number, str(stopped)) == (signal.SIGTERM, "stopped by SIGTERM")


@pytest.mark.parametrize(("code", "number"), [(0, 0), (1, 0), (2, 0), (-15, 15), (143, 15), (130, 2), (-9, 0), (-2, 2)])
def test_exit_codes_of_signals(code: int, number: int) -> None:
    assert signal_of(code) == number


def test_where_macs_know_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sigtimedwait a worker still ends with its parent; it is told apart from others by nothing."""
    monkeypatch.delattr(signal, "sigtimedwait")
    begin = time.monotonic()
    assert stopping._sender(0.05) is None
    assert time.monotonic() - begin >= 0.05


def test_a_shell_loop_ends_with_the_command(tmp_path: Path) -> None:
    """A shell goes on after a command that only says 130: it must have died of the signal."""
    program = Path(sys.executable).with_name("swaplab train")
    os.mkfifo(tmp_path / "never.yaml")
    loop = f"for s in 1 2; do echo begin $s; {program} resolved={tmp_path / 'never.yaml'}; echo end $s; done"
    shell = subprocess.Popen(
        ["bash", "-c", loop],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    pipe = _opened_for_reading(tmp_path / "never.yaml")
    os.killpg(shell.pid, signal.SIGINT)
    output, complaint = shell.communicate(timeout=60)
    os.close(pipe)
    assert output == "begin 1\n"
    assert complaint == "swaplab train: stopped by SIGINT; the same command resumes\n"
    assert shell.returncode == -signal.SIGINT


def _opened_for_reading(pipe: Path) -> int:
    """Waits until somebody reads a pipe, who then waits for what never comes."""
    until = time.monotonic() + 60
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_what_is_to_be_done_first_is_done_once_and_before_the_exception() -> None:
    done: list[str] = []
    requests = Requests(1, lambda: done.append("saved"))
    with pytest.raises(Stopped):
        requests(signal.SIGTERM)
    requests(signal.SIGTERM)  # a launcher repeats it
    assert (requests.count, done) == (1, ["saved"])


def test_a_second_request_ends_what_is_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "APART", 0.0)
    done = []

    def hang() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("never")

    with pytest.raises(Stopped, match="SIGTERM"), stop_requests(limit=1, first=hang) as requests:
        os.kill(os.getpid(), signal.SIGTERM)
    assert (requests.count, done) == (2, [])
