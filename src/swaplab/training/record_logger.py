"""The run record as one of Lightning's loggers: a row of metrics.jsonl per position at which something is logged."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from swaplab.runs.record import RunRecord

Listener = Callable[[dict[str, Any], "str | None"], None]  # gets a row of metrics and the path of a sheet
COUNTS = ("images_seen", "steps")
LEFT_OUT = ("epoch",)  # Lightning adds it; a run has one


class RecordLogger(Logger):
    """Merges all that is logged at one position into one row, writes it, and passes it to the ``listeners``.

    Losses and validation metrics of a step reach a logger one after the other, so a row is complete when training goes
    on: `flush` writes it. On ranks above 0 ``record`` is None and nothing is written.
    """

    def __init__(self, record: RunRecord | None, listeners: Sequence[Listener] = ()) -> None:
        super().__init__()
        self.record, self.listeners = record, tuple(listeners)
        self.stale: Callable[[], set[str]] = set  # names of metrics that were not logged at the current position
        self._row: dict[str, Any] = {}
        self._sheet: Path | None = None
        self._written = -1  # position of the latest row
        self._closed = False

    @property
    def name(self) -> str:
        """The folder of the run, as other loggers' files are named by it."""
        return "" if self.record is None else self.record.folder.parent.name

    @property
    def version(self) -> str:
        """The run's ID."""
        return "" if self.record is None else self.record.folder.name

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The record has the config already."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add metrics to the current row, without those of earlier positions, which Lightning repeats."""
        left_out = self.stale().union(LEFT_OUT)
        row = {name: value for name, value in metrics.items() if name not in left_out}
        row |= {name: int(row[name]) for name in COUNTS if name in row}
        if row.get("images_seen", self._written + 1) <= self._written or self._closed:
            return
        if "images_seen" in self._row and row.get("images_seen") not in (None, self._row["images_seen"]):
            self.flush()
        self._row |= row

    def log_sheet(self, images_seen: int, steps: int, sheet: Path) -> None:
        """Add a sheet of samples to the row of a position."""
        self.log_metrics({"images_seen": images_seen, "steps": steps})
        self._sheet = sheet

    def flush(self) -> None:
        """Write the current row, if there is one."""
        if self.record is None or "images_seen" not in self._row:
            return
        row = {name: self._row[name] for name in COUNTS} | self._row
        sheet = None if self._sheet is None else str(self._sheet)
        self._row, self._sheet, self._written = {}, None, row["images_seen"]
        self.record.add_metrics(row)
        for tell in self.listeners:
            tell(row, sheet)

    def close(self) -> None:
        """Write the current row, and ignore whatever follows."""
        self.flush()
        self._closed = True
