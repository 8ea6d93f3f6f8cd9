"""The process of a job: start it in a separate session, stop or kill it, and read its outcome from the run's record."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from swaplab.runs.damage import Damaged
from swaplab.stopping import PARENT, Stopped, signal_of, stop_requests
from swaplab.sweeps.jobs import Job, Outcome
from swaplab.sweeps.slots import Share

COMMAND = (sys.executable, "-m", "swaplab", "train")


def arguments(job: Job, file: Path) -> list[str]:
    """The arguments of a job's command; ``file`` holds its resolved config."""
    return [f"resolved={file.resolve()}", *([f"evaluate={job.evaluate}"] if job.evaluate else [])]


def wait_for(process: "subprocess.Popen[bytes]") -> int:
    """The exit code of a child process. Stop requests are passed on to it, and raised as Stopped after it has ended."""
    passed = 0
    with stop_requests() as requests:
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(0.2)
                break
            if requests.count > passed:
                (process.kill if passed else process.terminate)()
                passed = requests.count
    if requests.number:
        raise Stopped(requests.number)
    return code


class JobProcess:
    """A running job in its own session, which the terminal's Ctrl-C does not reach."""

    def __init__(self, job: Job, share: Share, file: Path, command: Sequence[str]) -> None:
        self.job, self.share = job, share
        self.log = file.with_suffix(".log")
        self._begin = self.log.stat().st_size if self.log.exists() else 0
        self._started = time.monotonic()
        self._asked = False
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *arguments(job, file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=share.environment | {PARENT: str(os.getpid())},
                start_new_session=True,
            )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def ask(self) -> None:
        """Ask the run to stop with a checkpoint; its first process informs its ranks."""
        self._asked = True
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill all processes of the job."""
        self._asked = True
        self._end_group()

    def outcome(self) -> Outcome | None:
        """The outcome, or None while the job runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._end_group()  # remaining processes would keep the slots busy
        try:
            done = self.job.done()
        except Damaged as error:
            return self._ended("failed", str(error))
        if done is not None:
            return self._ended(done.status, str(done.facts["exit_reason"]))
        record = self.job.record()
        if self._asked:
            return self._ended("interrupted", "stopped")
        if (code == 0 or signal_of(code)) and record is not None and record.status == "interrupted":
            return self._ended("interrupted", str(record.facts["exit_reason"]))
        return self._ended("failed", self._complaint(code))

    def _ended(self, status: str, reason: str) -> Outcome:
        return Outcome(self.job, status, reason, self.seconds)

    def _complaint(self, code: int) -> str:
        """The last line of the job's log, or the signal that killed it."""
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        with self.log.open("rb") as file:
            file.seek(self._begin)
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].removeprefix("swaplab train: ") if lines else f"exit code {code} without a message"

    def _end_group(self) -> None:
        with suppress(ProcessLookupError):  # no process is left
            os.killpg(self._process.pid, signal.SIGKILL)
