"""Run jobs in their own processes, as many at once as there are slots."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from swaplab.errors import UserError
from swaplab.runs.atomic import write_text_atomically
from swaplab.stopping import Stopped, stop_requests
from swaplab.sweeps.jobs import Job, Outcome
from swaplab.sweeps.process import COMMAND, JobProcess
from swaplab.sweeps.slots import Slots
from swaplab.sweeps.table import Board, State

_PAUSE = 0.1  # seconds between two checks of the processes
_REDRAW = 1.0  # seconds between two checks of their progress


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    *,
    slots: int | None = None,
    first: int = 0,
    command: Sequence[str] = COMMAND,
    watch: Callable[[Job], bool] | None = None,
) -> list[Outcome]:
    """Run jobs and return their outcomes in order. A failed job stops no other.

    Finished runs are skipped, started ones resume. ``folder/jobs/NNN.yaml`` is the config of job NNN (counted from
    ``first``), ``NNN.log`` its output. ``command`` gets the arguments ``resolved=FILE`` and, if the job has
    ``evaluate``, ``evaluate=SPLIT``. ``slots``: number of devices to use at once; see `Slots`. ``watch`` is called for
    every running job once per second; if it returns True, the job is asked to stop and ends ``interrupted``.

    SIGINT, SIGTERM and SIGHUP make the running jobs write a checkpoint, then Stopped is raised; a second SIGINT kills
    them. Raises UserError for a job that cannot run here.
    """
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    with Board(jobs) as board, stop_requests() as requests:
        sweep = _Sweep(jobs, folder / "jobs", Slots(jobs, slots), first, command, watch)
        try:
            asked = 0
            while not sweep.over:
                if requests.count > asked:
                    board.say("killing the running jobs" if asked else _STOPPING)
                    sweep.stop(at_once=asked > 0)
                    asked = requests.count
                sweep.advance()
                board.show(sweep.states)
                time.sleep(_PAUSE)
        finally:
            sweep.stop(at_once=True)
    board.end(sweep.states)
    if requests.number:
        raise Stopped(requests.number)
    outcomes = [sweep.outcomes[i] for i in range(len(jobs))]
    if any(outcome.status == "failed" for outcome in outcomes):
        board.say(f"logs of the failed jobs: {folder / 'jobs'}/NNN.log; the same command runs these jobs again")
    return outcomes


_STOPPING = "stopping: the running jobs write a checkpoint; press Ctrl-C again to kill them"


class _Sweep:
    """The waiting, running and ended jobs, by index."""

    def __init__(
        self,
        jobs: Sequence[Job],
        folder: Path,
        slots: Slots,
        first: int,
        command: Sequence[str],
        watch: Callable[[Job], bool] | None,
    ) -> None:
        self.jobs, self.folder, self.slots, self.first, self.command = jobs, folder, slots, first, command
        self.watch = watch
        self.outcomes: dict[int, Outcome] = {}
        self.running: dict[int, JobProcess] = {}
        self.states: dict[int, State] = {i: State() for i in range(len(jobs))}
        self.waiting = []
        self._looked = 0.0
        for i, job in enumerate(jobs):
            try:
                done = job.done()
                job.check_code()
            except UserError as error:  # does not affect the other jobs
                self._end(i, Outcome(job, "failed", str(error), 0.0))
                continue
            if done is None:
                self.waiting.append(i)
            else:
                self._end(i, Outcome(job, done.status, "already finished", 0.0))

    @property
    def over(self) -> bool:
        return not self.waiting and not self.running

    def advance(self) -> None:
        """Collect ended jobs, start jobs that fit into free slots, and read the progress of the others."""
        for i, process in list(self.running.items()):
            outcome = process.outcome()
            if outcome is not None:
                del self.running[i]
                self.slots.give(process.share)
                self._end(i, outcome)
        while self.waiting and (share := self.slots.take(self.jobs[self.waiting[0]])) is not None:
            i = self.waiting.pop(0)
            file = self.folder / f"{self.first + i:03d}.yaml"
            write_text_atomically(file, yaml.safe_dump(self.jobs[i].config, sort_keys=False))
            self.running[i] = JobProcess(self.jobs[i], share, file, self.command)
            self._looked = 0.0
        if time.monotonic() - self._looked > _REDRAW:
            self._looked = time.monotonic()
            for i, process in self.running.items():
                self.states[i] = State("running", self.jobs[i].images_seen(), process.seconds)
                if self.watch is not None and self.watch(self.jobs[i]):
                    process.ask()

    def stop(self, at_once: bool) -> None:
        """Start no more jobs, and stop or kill the running ones."""
        while self.waiting:
            i = self.waiting.pop()
            self._end(i, Outcome(self.jobs[i], "interrupted", "not started", 0.0))
        for process in self.running.values():
            if at_once:
                process.kill()
            else:
                process.ask()

    def _end(self, i: int, outcome: Outcome) -> None:
        self.outcomes[i] = outcome
        self.states[i] = State(outcome.status, self.jobs[i].images_seen(), outcome.seconds, outcome.reason)
