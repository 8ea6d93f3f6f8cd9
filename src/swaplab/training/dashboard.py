"""Weights & Biases as one view of the run record, through Lightning's logger."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord

MODES = ("offline", "online", "disabled")


class Dashboard:
    """Sends rows and sheets to W&B, with ``images_seen`` as the step of every curve; does nothing where disabled.

    Offline is the default of the project: nothing leaves the machine until `wandb sync`.
    """

    def __init__(
        self, settings: Mapping[str, Any], record: RunRecord | None, config: dict[str, Any], name: str
    ) -> None:
        mode = settings["mode"]
        if mode not in MODES:
            raise UserError(f"wandb.mode={mode} is not known; choose one of {', '.join(MODES)}")
        self.logger: WandbLogger | None = None
        if record is None or mode == "disabled":
            return
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ["WANDB_MODE"] = mode
        self.logger = WandbLogger(
            project=settings["project"],
            name=name,
            id=f"{name}-{record.facts['created']}".replace(":", "").replace("+0000", ""),
            group=settings["group"],
            job_type=settings["job_type"],
            tags=[*settings["tags"], f"seed={config['seed']}"],
            save_dir=str(record.folder),
            offline=mode == "offline",
            config=config,
        )
        self.logger.experiment.define_metric("images_seen", hidden=True)
        self.logger.experiment.define_metric("*", step_metric="images_seen")

    def replay(self, rows: list[dict[str, float]]) -> None:
        """Send the rows that an earlier session wrote: an offline run cannot be continued, so it is told again."""
        for row in rows:
            self.publish(row, None)

    def publish(self, row: dict[str, Any], sheet: str | None) -> None:
        """Send one row, and one sheet as a picture, in a single call."""
        if self.logger is None:
            return
        import wandb

        pictures = {"samples": wandb.Image(str(Path(sheet)))} if sheet else {}
        self.logger.experiment.log(row | pictures)

    def finish(self, summary: Mapping[str, Any], failed: bool) -> None:
        """Write the summary and close; a failed run is shown as failed."""
        if self.logger is None:
            return
        self.logger.experiment.summary.update(dict(summary))
        self.logger.experiment.finish(exit_code=int(failed), quiet=True)
