"""A job of a sweep: one run to be made, and what its folder says about how far it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swaplab.catalogue import loss_of
from swaplab.config.trust import named_packages
from swaplab.runs.code import check_code, code_of
from swaplab.runs.damage import Damaged
from swaplab.runs.evaluations import JUDGED, evaluation_file
from swaplab.runs.identity import run_id_of
from swaplab.runs.record import ENDED, RunRecord, finished, is_run
from swaplab.runs.rows import last_rows


@dataclass(frozen=True)
class Job:
    """One run to be made in a process of its own.

    ``label`` is what a table shows. ``config`` is resolved and without ``hydra``. ``evaluate`` is the split that is
    measured after training (``val`` or ``test``), or None.
    """

    label: str
    config: dict[str, Any] = field(repr=False)
    evaluate: str | None = None

    @property
    def folder(self) -> Path:
        """The run's folder; the same config leads to the same one."""
        return Path(self.config["runs"]) / self.config["name"] / run_id_of(self.config)

    @property
    def budget(self) -> int:
        """Images that the whole run sees."""
        return int(self.config["budget"]["images"])

    def done(self) -> RunRecord | None:
        """The record of a run that has its result, measured if that was asked for; else None.

        A diverged run leaves no weights to measure. Raises UserError if the folder holds a run of another config.
        """
        record = finished(self.folder, self.config)
        if record is None or (record.status == "complete" and self.evaluate and not evaluated(record, self.evaluate)):
            return None
        return record

    def check_code(self) -> None:
        """UserError if the run that is there was made by other code than this."""
        check_code(self.folder, self.config, code_of(named_packages(self.config)))

    def record(self) -> RunRecord | None:
        """The record as it is now; None where there is none yet, or none that can be read."""
        try:
            return RunRecord.load(self.folder) if is_run(self.folder) else None
        except Damaged:
            return None

    def images_seen(self) -> int:
        """How far the run is, by the last full line of its metrics."""
        rows = last_rows(self.folder / "metrics.jsonl")
        return int(rows[-1]["images_seen"]) if rows else 0


def evaluated(record: RunRecord, split: str) -> bool:
    """Whether a split was measured with the final weights that the run has now."""
    report, weights = evaluation_file(record.folder, JUDGED, split), record.checkpoints / "final.safetensors"
    if not (report.exists() and weights.exists()):
        return False
    return report.stat().st_mtime_ns >= weights.stat().st_mtime_ns


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``complete``, ``diverged``, ``interrupted`` or ``failed``, why, and the seconds it took here."""

    job: Job
    status: str
    reason: str
    seconds: float

    @property
    def ended(self) -> bool:
        """Whether the job has its result, or has done the share of its budget that it was given."""
        share = self.job.config["budget"]["session_images"]
        return self.status in ENDED or (self.status == "interrupted" and share is not None)

    @property
    def objective(self) -> float:
        """The last value of the metric ``checkpoint.best``, turned so that less is better; nan without a result."""
        record = self.job.record()
        if self.status != "complete" or record is None:
            return float("nan")
        metric = self.job.config["checkpoint"]["best"]
        return loss_of(metric, float(record.facts["metrics"].get(metric, "nan")))
