"""A job of a sweep: one run to train, and its state as read from the run's folder."""

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


@dataclass(frozen=True)
class Job:
    """One run to train in its own process.

    ``label``: name in tables. ``config``: resolved, without ``hydra``. ``evaluate``: the split to evaluate after
    training (``val`` or ``test``), or None.
    """

    label: str
    config: dict[str, Any] = field(repr=False)
    evaluate: str | None = None

    @property
    def folder(self) -> Path:
        """The run's folder, which only depends on the config."""
        return Path(self.config["runs"]) / self.config["name"] / run_id_of(self.config)

    @property
    def budget(self) -> int:
        """The run's budget in images."""
        return int(self.config["budget"]["images"])

    def done(self) -> RunRecord | None:
        """The record of a finished run, also evaluated if ``evaluate`` is set, or None.

        A diverged run needs no evaluation. Raises UserError if the folder holds a run of another config.
        """
        record = finished(self.folder, self.config)
        if record is None or (record.status == "complete" and self.evaluate and not evaluated(record, self.evaluate)):
            return None
        return record

    def check_code(self) -> None:
        """Raise UserError if other code made the existing run."""
        check_code(self.folder, self.config, code_of(named_packages(self.config)))

    def record(self) -> RunRecord | None:
        """The current record; None if there is none or it cannot be read."""
        try:
            return RunRecord.load(self.folder) if is_run(self.folder) else None
        except Damaged:
            return None

    def images_seen(self) -> int:
        """Images seen so far, as last reported."""
        return int(RunRecord(self.folder).newest().get("images_seen", 0))


def evaluated(record: RunRecord, split: str) -> bool:
    """Whether a split was evaluated with the run's current final weights."""
    report, weights = evaluation_file(record.folder, JUDGED, split), record.checkpoints / "final.safetensors"
    if not (report.exists() and weights.exists()):
        return False
    return report.stat().st_mtime_ns >= weights.stat().st_mtime_ns


@dataclass(frozen=True)
class Outcome:
    """How a job ended. ``status``: complete, diverged, interrupted or failed. ``seconds``: of this session only."""

    job: Job
    status: str
    reason: str
    seconds: float

    @property
    def ended(self) -> bool:
        """Whether the job has finished, or has done its share of the budget (``budget.session_images``)."""
        share = self.job.config["budget"]["session_images"]
        return self.status in ENDED or (self.status == "interrupted" and share is not None)

    @property
    def objective(self) -> float:
        """The last value of ``checkpoint.best``, negated if higher is better; nan if the run is not complete."""
        record = self.job.record()
        if self.status != "complete" or record is None:
            return float("nan")
        metric = self.job.config["checkpoint"]["best"]
        return loss_of(metric, float(record.facts["metrics"].get(metric, "nan")))
