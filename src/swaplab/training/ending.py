"""The end of a run: closes its record and its loggers once, however the run ends."""

import shutil
import threading
from pathlib import Path

from swaplab.runs.atomic import Unwritable
from swaplab.runs.record import RunRecord
from swaplab.runs.rows import newest
from swaplab.stopping import Stopped
from swaplab.training.keeping import Keeping
from swaplab.training.loggers.feed import Feeds
from swaplab.training.module import SwapModule
from swaplab.training.speed import Speed
from swaplab.training.watch import GONE


class Ending:
    """Called with the status and reason of a run's end; only the first call, from any thread, has an effect.

    On ranks above 0 ``record`` is None and there is nothing to close, unless rank 0 is gone.
    """

    def __init__(self, folder: Path, loggers: Feeds, module: SwapModule, keeping: Keeping, speed: Speed) -> None:
        self.folder, self.record, self.loggers = folder, keeping.record, loggers
        self.module, self.keeping, self.speed = module, keeping, speed
        self._begun = threading.Lock()  # never released

    def __call__(self, status: str, reason: str) -> None:
        """Write the final weights, metrics and cost, and close."""
        record = self.record
        if record is None or not self._begun.acquire(blocking=False):
            return
        unwritable = None
        if status == "complete" and self.module.ema is not None:
            try:
                self.keeping.save_final(self.module)
            except Unwritable as error:
                status, reason, unwritable = "failed", str(error), error
        self.keeping.session.logger.close()
        metrics = self.metrics()
        record.end(
            status,
            reason,
            metrics=metrics,
            images_seen=self.module.counters.images_seen,
            updates=self.module.made,
            actions=self.module.done,
            cost=record.facts["cost"] | self.speed.cost(record.facts["cost"]["seconds"]),
        )
        self.loggers.finish(metrics, status)
        if unwritable is not None:
            raise unwritable

    def lost(self, reason: str) -> tuple[str, str]:
        """Record that another rank is gone; returns the run's status and reason.

        If this rank also received a signal, the signal is the reason. If rank 0 is gone, another rank closes its
        record, unless rank 0 has done so.
        """
        number = self.keeping.session.requests.number
        status, why = ("interrupted", str(Stopped(number))) if number else ("failed", reason)
        self(status, why)
        if self.record is None and reason == GONE:
            record = RunRecord.load(self.folder)
            if record.facts["status"] == "running":
                record.end(status, why)
        return status, why

    def forget(self) -> None:
        """Close and delete the run's folder: the run was rejected before its first step."""
        if self.record is not None and self._begun.acquire(blocking=False):
            self.loggers.finish({}, "failed")
            shutil.rmtree(self.folder, ignore_errors=True)

    def metrics(self) -> dict[str, float]:
        """The latest value of every metric."""
        return newest(self.record.metrics() if self.record is not None else [])
