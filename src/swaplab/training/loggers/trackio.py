"""The record in Trackio: a database in the folder of all runs."""

import contextlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.runs.evaluations import plotted_name
from swaplab.training.loggers.shown import Shown, View, check_package, once, without_axis

if TYPE_CHECKING:
    import trackio

STORE = ".trackio"  # in the folder of all runs


class Trackio(View):
    """One Trackio run per run, over all its sessions and evaluations.

    The store is ``.trackio`` in the folder of all runs, unless ``TRACKIO_DIR`` names another folder.
    """

    title = "Trackio"

    def __init__(self, project: str = "swaplab") -> None:
        check_package("trackio", "trackio")
        self.project = project
        self.shown: Shown | None = None
        self.run: trackio.Run | None = None

    def begin(self, run: Shown) -> float | None:
        """Continue the run of earlier sessions, or start one."""
        self.shown = run
        os.environ.setdefault("TRACKIO_DIR", str((run.record.folder.parents[1] / STORE).absolute()))
        import trackio

        class Local(trackio.Run):
            """A run that does not ask a service for the name of its user."""

            def _get_username(self) -> None:
                return None

        trackio.SQLiteStorage.validate_project_name(self.project)
        newest = trackio.SQLiteStorage.get_max_step_for_run(self.project, run_id=run.identity)
        self.newest = -1 if newest is None else newest
        labels = {"job_type": str(run.labels["job_type"]), "tags": run.tags, "notes": run.labels["notes"]}
        # `trackio.init` would print to the standard output, and take a run of the same name for this one
        self.run = Local(
            url=None,
            project=self.project,
            client=None,
            name=run.name,
            run_id=run.identity,
            group=run.group,
            config={**run.config, **run.code, "labels": labels},
        )
        return -1 if run.evaluation else self.newest

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """One row at the step ``images_seen``, with its pictures."""
        import trackio

        assert self.run is not None
        self.newest = int(values["images_seen"])
        row = {plotted_name(name): value for name, value in without_axis(values).items()}
        self.run.log({**row, **{name: trackio.Image(sheet) for name, sheet in sheets.items()}}, self.newest)

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Add what rows do not have, and close."""
        assert self.run is not None
        assert self.shown is not None
        if not self.shown.evaluation:
            self.run.log({**once(summary, status), "status": status}, max(0, self.newest))
        with contextlib.redirect_stdout(io.StringIO()):  # it says so on the standard output
            self.run.finish()
