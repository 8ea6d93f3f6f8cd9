"""The record in MLflow: a database in the folder of all runs, or a server of your own."""

import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import MLFlowLogger
from PIL import Image

from swaplab.runs.evaluations import plotted_name
from swaplab.training.loggers.shown import Shown, View, check_package, flat, once

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

STORE = ".mlflow"  # in the folder of all runs
IDENTITY = "swaplab.run"  # the tag by which a later session finds its run
ONCE = 0  # the step of values that are no curve: MLflow draws them as bars
ENDS = {"complete": "FINISHED", "diverged": "FINISHED", "interrupted": "KILLED"}  # MLflow's words; others: FAILED


class Mlflow(View):
    """One MLflow run per run, over all its sessions and evaluations, in an experiment with the name of its group.

    The store is ``.mlflow/mlflow.db`` in the folder of all runs, without a server, unless ``MLFLOW_TRACKING_URI`` names
    another one.
    """

    title = "MLflow"

    def __init__(self) -> None:
        check_package("mlflow", "mlflow")

    def begin(self, run: Shown) -> float | None:
        """Continue the run of earlier sessions, or start one."""
        self.run = run
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        logging.getLogger("alembic").setLevel(logging.ERROR)
        store = (run.record.folder.parents[1] / STORE).absolute()
        store.mkdir(parents=True, exist_ok=True)
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        tags = {name: str(level) for name, level in run.varied.items()} | dict.fromkeys(run.labels["tags"], "true")
        known = {IDENTITY: run.identity, "group": run.group, "job_type": str(run.labels["job_type"])}
        notes = {"mlflow.note.content": run.labels["notes"]} if run.labels["notes"] else {}
        self.logger = MLFlowLogger(
            experiment_name=run.group,
            run_name=run.name,
            tracking_uri=uri or f"sqlite:///{store / 'mlflow.db'}",
            tags={**tags, **known, **notes},
        )
        with (store / "lock").open("w") as lock:  # two processes must not make the same tables or experiment
            fcntl.flock(lock, fcntl.LOCK_EX)
            client: MlflowClient = self.logger._mlflow_client
            if client.get_experiment_by_name(run.group) is None:
                place = None if uri else (store / "artifacts").as_uri()
                client.create_experiment(run.group, place, {"mlflow.experimentKind": "custom_model_development"})
        before = _found(client, run)
        if before is None:
            self.logger.log_hyperparams({**flat(run.config), **run.code})
        else:
            self.logger._run_id = before
            client.update_run(before, status="RUNNING")
        return -1 if run.evaluation else _newest(client, before)

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """A point of each curve at the step ``images_seen``; the values of an evaluation, as a bar; images in steps."""
        step = int(values["images_seen"])
        named = {plotted_name(name): value for name, value in values.items()}
        if self.run.evaluation:
            del named["images_seen"]
        self.logger.log_metrics(named, ONCE if self.run.evaluation else step)
        for name, sheet in sheets.items():
            with Image.open(sheet) as picture:
                self.logger.experiment.log_image(self.logger.run_id, picture, key=name, step=step)

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Close with the status, also as a tag, in swaplab's words."""
        if not self.run.evaluation:
            self.logger.experiment.set_tag(self.logger.run_id, "status", status)
            self.logger.log_metrics(once(summary, status), ONCE)
        self.logger.finalize(ENDS.get(status, "FAILED"))


def _found(client: "MlflowClient", run: Shown) -> str | None:
    """The id of the run that an earlier session began, if there is one."""
    experiment = client.get_experiment_by_name(run.group)
    if experiment is None:
        return None
    wanted = f"tags.`{IDENTITY}` = '{run.identity}'"
    found = client.search_runs([experiment.experiment_id], filter_string=wanted, max_results=1)
    return str(found[0].info.run_id) if found else None


def _newest(client: "MlflowClient", run_id: str | None) -> float:
    """The last step of a run, -1 if it has none."""
    points = client.get_metric_history(run_id, "images_seen") if run_id else []
    return max((point.step for point in points), default=-1)
