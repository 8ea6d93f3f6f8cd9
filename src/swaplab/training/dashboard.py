"""Weights & Biases as one view of the run record, through Lightning's logger."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord

if TYPE_CHECKING:
    from wandb import Run

MODES = ("offline", "online", "disabled")


def check_mode(settings: Mapping[str, Any]) -> str:
    """The mode of the ``wandb`` settings; UserError if it is not known."""
    mode = str(settings["mode"])
    if mode not in MODES:
        raise UserError(f"wandb.mode={mode} is not known; choose one of {', '.join(MODES)}")
    return mode


class Dashboard:
    """Sends rows and sheets to W&B, with ``images_seen`` as the step of every curve; does nothing where disabled.

    Offline is the default of the project: nothing leaves the machine until `wandb sync`.
    """

    def __init__(
        self, settings: Mapping[str, Any], record: RunRecord | None, config: dict[str, Any], name: str
    ) -> None:
        mode = check_mode(settings)
        self.logger: WandbLogger | None = None
        if record is None or mode == "disabled":
            return
        if mode == "offline":  # W&B would still send a few words on how it is used
            os.environ["WANDB_ERROR_REPORTING"] = "false"
        run = _begin(settings, record, config, name)
        # a run of our own making: Lightning's would define its step counter as the axis and set WANDB_MODE for good
        self.logger = WandbLogger(experiment=run, save_dir=str(record.folder))
        run.define_metric("images_seen", hidden=True)
        run.define_metric("*", step_metric="images_seen")

    def replay(self, rows: list[dict[str, float]]) -> None:
        """Send the rows that earlier sessions wrote: an offline run cannot be continued, so it is told again."""
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
        self.logger.experiment.finish(exit_code=int(failed))


def _begin(settings: Mapping[str, Any], record: RunRecord, config: dict[str, Any], name: str) -> "Run":
    """The dashboard's run of this session; UserError if the service does not take it.

    Each session is a run of its own, told from the first row: its id counts the sessions of the record.
    """
    import wandb

    created = record.facts["created"].replace(":", "").replace("+0000", "")
    try:
        return wandb.init(
            project=settings["project"],
            name=name,
            id=f"{name}-{created}-{len(record.facts['sessions'])}",
            group=settings["group"],
            job_type=settings["job_type"],
            tags=[*settings["tags"], f"seed={config['seed']}"],
            dir=str(record.folder),
            config=config,
            mode=settings["mode"],
            settings=wandb.Settings(silent=True, console="off"),
        )
    except wandb.errors.Error as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"wandb.mode={settings['mode']} could not begin a run ({reason}); use `wandb login`, or wandb.mode=offline"
        ) from None
