"""The record as event files of TensorBoard."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from swaplab.training.loggers.shown import Shown, View, check_package, without_axis


class TensorBoard(View):
    """Event files in ``tensorboard/`` in the run's folder: curves over images, sheets, the config as a text, and the
    factors with the final values as hyperparameters. Each session writes them anew, from the first row.
    """

    title = "TensorBoard"

    def __init__(self) -> None:
        check_package("tensorboard", "tensorboard")

    def begin(self, run: Shown) -> float | None:
        """An evaluation adds to what training wrote."""
        self.run, self.newest = run, 0
        folder = run.record.folder / "tensorboard"
        if run.evaluation is None:
            shutil.rmtree(folder, ignore_errors=True)
        self.logger = TensorBoardLogger(folder.parent, name="", version=folder.name, default_hp_metric=False)
        if run.evaluation is None:
            text = json.dumps({**run.config, **run.code, "tags": run.tags}, indent=2)
            self.logger.experiment.add_text("config", f"```\n{text}\n```")
            if run.labels["notes"]:
                self.logger.experiment.add_text("notes", run.labels["notes"])
        return -1

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """Add a point to each curve."""
        self.newest = int(values["images_seen"])
        self.logger.log_metrics(without_axis(values), self.newest)
        for name, sheet in sheets.items():
            self.logger.experiment.add_image(name, np.asarray(Image.open(sheet)), self.newest, dataformats="HWC")

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Add the row of the table of hyperparameters."""
        if self.run.evaluation is None:
            final = {name: float(value) for name, value in summary.items() if isinstance(value, int | float)}
            labels = {"group": self.run.group, "job_type": self.run.job_type, "status": status}
            self.logger.log_hyperparams({**self.run.varied, **labels}, final, self.newest)
            self.logger.experiment.add_text("status", status)
        self.logger.experiment.close()
