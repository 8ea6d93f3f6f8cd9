"""Any logger of Lightning as a view of the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from swaplab.training.loggers.shown import Shown, View, without_axis

STATUS = {"complete": "success", "interrupted": "aborted"}  # Lightning's words; all others are failed


class Plain(View):
    """Calls what every logger of Lightning has: `log_hyperparams`, `log_metrics` with ``images_seen`` as the step,
    `finalize`; also ``log_image(key, images, step)`` if it has that.

    What such a logger does when a run resumes is unknown, so it gets only the rows of its own session, as it would from
    a Trainer; and nothing of evaluations.
    """

    def __init__(self, logger: Logger) -> None:
        self.logger = logger
        self.title = type(logger).__name__

    def begin(self, run: Shown) -> float | None:
        """Log the config, and leave out the rows of earlier sessions."""
        if run.evaluation:
            return None
        self.logger.log_hyperparams({**run.config, **run.code, "name": run.name, "group": run.group, "tags": run.tags})
        return run.resumed_at

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """Log a row and its sheets."""
        step = int(values["images_seen"])
        self.logger.log_metrics(without_axis(values), step)
        for name, sheet in sheets.items():
            if hasattr(self.logger, "log_image"):
                self.logger.log_image(name, [str(sheet)], step=step)

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Write and close."""
        self.logger.save()
        self.logger.finalize(STATUS.get(status, "failed"))
