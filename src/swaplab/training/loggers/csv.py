"""The record as one CSV file, for spreadsheets and pandas."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from swaplab.training.loggers.shown import Shown, View, without_axis


class Csv(View):
    """``csv/metrics.csv`` in the run's folder: a line per row, ``step`` in images. ``csv/hparams.yaml``: config, tags,
    and at the end the summary. Each session writes the files anew, from the first row.
    """

    title = "CSV"

    def begin(self, run: Shown) -> float | None:
        """Evaluations have a file of their own in the run's folder."""
        if run.evaluation:
            return None
        folder = run.record.folder / "csv"
        shutil.rmtree(folder, ignore_errors=True)
        self.logger = CSVLogger(folder.parent, name="", version="csv", flush_logs_every_n_steps=1)
        labels = {"name": run.name, "group": run.group, "job_type": run.job_type, "tags": run.tags}
        self.logger.log_hyperparams({**run.config, **run.code, "labels": {**run.labels, **labels}})
        return -1

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """One line; a file of numbers takes no pictures."""
        row: dict[str, Tensor | float] = {**without_axis(values)}
        self.logger.log_metrics(row, int(values["images_seen"]))

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Write the summary beside the config."""
        self.logger.log_hyperparams({"summary": dict(summary)})
        self.logger.save()
