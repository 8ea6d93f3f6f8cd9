"""Feeds the loggers of a run with its record: each on a thread of its own, so that none decides about the run."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lightning.pytorch.loggers import Logger

from swaplab.catalogue import ORACLE, better
from swaplab.config.build import build
from swaplab.errors import first_line
from swaplab.runs.record import RunRecord, cost_of
from swaplab.training.loggers.plain import Plain
from swaplab.training.loggers.shown import Shown, View

LIMIT = 120.0  # seconds that the end of a run waits for its loggers, all together


def views_of(config: Mapping[str, Any]) -> list[View]:
    """The loggers of a config. UserError for one that cannot be built, such as one whose package is missing."""
    built = [build(node, f"logger.{name}") for name, node in config["logger"].items() if node is not None]
    return [Plain(each) if isinstance(each, Logger) else each for each in built]


class Feeds:
    """All loggers of a run. On ranks above 0 ``run`` is None and there are none."""

    def __init__(self, views: Iterable[View], run: Shown | None) -> None:
        self.run = run
        self.best: dict[str, float] = {}
        self._feeds = [] if run is None else [Feed(view, run) for view in views]

    @classmethod
    def of_training(cls, views: Iterable[View], record: RunRecord | None, config: Mapping[str, Any]) -> "Feeds":
        """The loggers of a session. They get the rows of earlier ones, with the sheets, and show what they lack."""
        if record is None:
            return cls([], None)
        rows = record.metrics()
        feeds = cls(views, Shown(record, config, resumed_at=rows[-1]["images_seen"] if rows else -1))
        for row in rows:
            sheet = record.sheet(int(row["images_seen"]))
            feeds.publish(row, str(sheet) if sheet.exists() else None)
        return feeds

    def publish(self, row: Mapping[str, float], sheet: str | None) -> None:
        """Pass on one row, and the sheet drawn at it."""
        for name, value in row.items():
            if chooses(name) and better(name, value, self.best.get(f"best/{name}")):
                self.best[f"best/{name}"] = value
        self.show(row, {"samples": Path(sheet)} if sheet else {})

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """Pass on values and pictures by name."""
        for feed in self._feeds:
            feed.show(values, sheets)

    def finish(self, summary: Mapping[str, Any], status: str) -> None:
        """Pass on the final values, the best ones and the cost, and wait, at most `LIMIT`, until all is shown.

        Final values keep their plain names: the end of a run is judged.
        """
        if self.run is None:
            return
        whole = self.best | cost_of(self.run.record.facts) | dict(summary) | {"status": status}
        for feed in self._feeds:
            feed.end(whole, status)
        deadline = time.monotonic() + LIMIT
        for feed in self._feeds:
            feed.wait(deadline)


def chooses(name: str) -> bool:
    """Whether a metric may select the best moment of a run: a validation metric, but not the oracle's."""
    return name.startswith("val/") and name != ORACLE


class Feed:
    """One logger, from its beginning to its end or its first failure, which is logged in one sentence."""

    def __init__(self, view: View, run: Shown) -> None:
        self.view, self.run = view, run
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._given_up = threading.Event()
        self._newest: float = -1
        self._thread = threading.Thread(target=self._work, name=view.title, daemon=True)
        self._thread.start()

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """Show values and pictures, unless they are there already."""
        kept = dict(values)
        self._calls.put(lambda: kept["images_seen"] > self._newest and self.view.show(kept, sheets))

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Show the summary and close."""
        self._calls.put(lambda: self.view.end(summary, status))
        self._calls.put(None)

    def wait(self, deadline: float) -> None:
        """Wait for the end; at the deadline go on without."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._give_up(f"it needs more than {LIMIT:.0f} s at the end")

    def _work(self) -> None:
        try:
            newest = self.view.begin(self.run)
            if newest is None:
                return
            self._newest = newest
            while (call := self._calls.get()) is not None and not self._given_up.is_set():
                call()
        except BaseException as error:
            self._give_up(first_line(error).rstrip("."))

    def _give_up(self, reason: str) -> None:
        if self._given_up.is_set():
            return
        self._given_up.set()
        complain(self.view, self.run, reason)
        self.view.abandon()


def complain(view: View, run: Shown, reason: str) -> None:
    """Say that a logger failed, and what follows."""
    logging.getLogger("swaplab").warning(
        "%s failed (%s); the run's record is complete without it%s", view.title, reason, view.advice(run)
    )
