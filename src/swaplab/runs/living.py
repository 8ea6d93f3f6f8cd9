"""The active runs under a folder, which are preparing or training now; each look reads only what has changed."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from swaplab.errors import UserError
from swaplab.runs.pace import Pace
from swaplab.runs.record import AT_WORK, RunRecord
from swaplab.runs.registry import label_of, run_folders
from swaplab.runs.rows import Row

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Living:
    """An active run. ``row``: the latest value of each metric, empty before the first; ``total``: its image budget.

    ``left``: seconds to its end, None if unknown. ``sheet``: its latest sample sheet, None before the first.
    """

    label: str
    status: str
    row: Row
    total: int
    left: float | None
    sheet: Path | None


@dataclass
class _Known:
    """What was read of a run, and the stamps of the files read."""

    stamp: Stamp | None = None
    record: RunRecord | None = None
    pace: Pace | None = None
    rows_stamp: Stamp | None = None
    row: Row = field(default_factory=dict)
    moment: float = 0.0
    left: float | None = None
    sheet: Path | None = None


class Lookout:
    """Looks at the runs under ``runs`` repeatedly. ``ended``: the records, by label, of the runs that ended between
    the last two looks.

    A look costs one ``stat`` per run; for active runs it also reads the end of ``metrics.jsonl`` if that has changed.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.ended: dict[str, RunRecord] = {}
        self._known: dict[str, _Known] = {}
        self._living: set[str] = set()

    def look(self) -> list[Living]:
        """The runs that are active now, by label."""
        found = []
        for folder in run_folders(self.runs):
            label = label_of(self.runs, folder)
            known = self._known.setdefault(label, _Known())
            self._read(folder, known)
            if known.record is not None and known.record.status in AT_WORK:
                found.append(self._seen(label, known, known.record))
        labels = {living.label for living in found}
        ended = {label: self._known[label].record for label in sorted(self._living - labels)}
        self.ended = {label: record for label, record in ended.items() if record is not None}
        self._living = labels
        return sorted(found, key=lambda living: living.label)

    def _read(self, folder: Path, known: _Known) -> None:
        stamp = _stamp(folder / "run.json")
        if stamp == known.stamp:
            return
        known.stamp = stamp
        try:
            known.record = RunRecord.load(folder)
            if known.record.status in AT_WORK and known.pace is None:
                known.pace = Pace(int(known.record.config()["budget"]["images"]))
        except (UserError, LookupError, TypeError, ValueError):  # `runs list` says what is wrong with it
            known.record = None

    def _seen(self, label: str, known: _Known, record: RunRecord) -> Living:
        assert known.pace is not None
        stamp = _stamp(record.metrics_file)
        if stamp is not None and stamp != known.rows_stamp:
            known.rows_stamp, known.moment = stamp, stamp[1] / 1e9
            known.row = record.newest()
            known.left = known.pace.left(known.row, known.moment) if known.row else None
            known.sheet = max((record.folder / "samples").glob("*.png"), default=None)
        left = None if known.left is None else max(0.0, known.left - (time.time() - known.moment))
        return Living(label, record.status, known.row, known.pace.total, left, known.sheet)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
