"""Weights & Biases as a view of the run record, through Lightning's logger.

A W&B run carries what a workspace groups by: its ablation as the group, its factors as tags ``factor=level`` and as
config keys ``factor/NAME``. An evaluation on held-out clips is a separate W&B run (job type evaluate) beside it.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger

from swaplab.catalogue import ORACLE, better
from swaplab.runs.evaluations import means, plotted_name
from swaplab.runs.offline import mark_sent
from swaplab.runs.record import RunRecord, cost_of

if TYPE_CHECKING:
    from wandb import Run

# Maximum seconds for W&B to start or end a run, and to exit after a failure: the longest wait is their sum.
WAIT, GRACE = 6.0, 2.0
TAG = 64  # characters, W&B's limit


class Dashboard:
    """Sends rows and sheets to W&B, with ``images_seen`` as the step of every curve; does nothing if disabled.

    The default is offline: nothing leaves the machine until `swaplab runs sync`. A failure of W&B costs a warning and a
    bounded wait, never the run.
    """

    def __init__(
        self, settings: Mapping[str, Any], record: RunRecord | None, config: dict[str, Any], name: str
    ) -> None:
        mode = settings["mode"]
        self.logger: WandbLogger | None = None
        self.record = record
        self.best: dict[str, float] = {}
        if record is None or mode == "disabled":
            return
        # each session is a separate W&B run with all rows of the record; its id contains the number of the session
        identity = f"{_identity(record, name)}-{len(record.facts['sessions'])}"
        run = _begin(settings, record, config, name=name, identity=identity, job_type=settings["job_type"])
        if run is not None:
            # make the run here: Lightning would use its step counter as the axis and set WANDB_MODE permanently
            self.logger = WandbLogger(experiment=run, save_dir=str(record.folder))

    def replay(self, rows: list[dict[str, float]]) -> None:
        """Send the rows of earlier sessions again, with their sheets: an offline run cannot be continued."""
        for row in rows:
            assert self.record is not None
            sheet = self.record.sheet(int(row["images_seen"]))
            self.publish(row, str(sheet) if sheet.exists() else None)

    def publish(self, row: dict[str, Any], sheet: str | None) -> None:
        """Send one row, and a sheet as a picture, in a single call."""
        if self.logger is None or self.record is None:
            return
        import wandb

        for name, value in row.items():
            if chooses(name) and better(name, value, self.best.get(f"best/{name}")):
                self.best[f"best/{name}"] = value
        try:
            pictures = {"samples": wandb.Image(str(Path(sheet)))} if sheet else {}
            self.logger.experiment.log(row | pictures)
        except Exception as error:
            self.logger = None
            _give_up(self.record, error)

    def finish(self, summary: Mapping[str, Any], failed: bool) -> None:
        """Write the summary (the given final values, the best values, cost, status) and close.

        A failed run is shown as failed. Final values keep their plain names, because the end of a run is judged: W&B's
        own minimum or maximum of a metric would replace its last value in tables.
        """
        if self.logger is not None and self.record is not None:
            _close(
                self.logger.experiment, self.record, self.best | cost_of(self.record.facts) | dict(summary), int(failed)
            )


def publish_evaluation(
    record: RunRecord, config: dict[str, Any], content: Mapping[str, Any], sheets: Sequence[Path]
) -> None:
    """Send the values of ``evaluation/WEIGHTS/SPLIT.json``, per metric and per direction, and its sheets.

    They form a W&B run beside the trained one, in its group, with job type ``evaluate``. A repeated evaluation has the
    same id and so replaces the old one. What the service does not take is kept for `swaplab runs sync`. Sends nothing
    if W&B is disabled, or from a job of a W&B sweep, which can report only one run.
    """
    settings = config["wandb"]
    if settings["mode"] == "disabled" or "WANDB_SWEEP_ID" in os.environ:
        return
    import wandb

    split, weights, name = str(content["split"]), str(content["weights"]), record.folder.name
    run = _begin(
        settings,
        record,
        config | {"evaluation": {"split": split, "weights": weights}},
        name=f"{name} {weights} {split}",
        identity=f"{_identity(record, name)}-evaluate-{weights}-{split}",
        job_type="evaluate",
    )
    if run is None:
        return
    values = {plotted_name(metric): value for metric, value in means(dict(content)).items()}
    values["images_seen"] = record.facts.get("images_seen", 0)
    try:
        place = f"evaluation/{weights}"
        pictures = {f"{place}/{sheet.stem.replace('-', '/', 1)}": wandb.Image(str(sheet)) for sheet in sheets}
        run.log(values | pictures)
    except Exception as error:
        _give_up(record, error)
        return
    _close(run, record, {"status": record.status, **cost_of(record.facts)}, 0)


def chooses(name: str) -> bool:
    """Whether a metric may select the best moment of a run: a validation metric, but not the oracle's."""
    return name.startswith("val/") and name != ORACLE


def tags_of(config: Mapping[str, Any]) -> list[str]:
    """``factor=level`` for every factor and the seed, cut to W&B's maximum length."""
    varied = {**config.get("factors", {}), "seed": config["seed"]}
    return [f"{factor}={level}"[:TAG] for factor, level in varied.items()]


def _identity(record: RunRecord, name: str) -> str:
    """The prefix of the ids of a record's W&B runs; no two records share it."""
    return f"{name}-{record.facts['created'].replace(':', '').replace('+0000', '')}"


def _begin(
    settings: Mapping[str, Any], record: RunRecord, config: dict[str, Any], *, name: str, identity: str, job_type: str
) -> "Run | None":
    """A W&B run with ``images_seen`` as its axis; offline if the service does not take it in time.

    None, after a warning, if both fail.
    """
    import wandb

    if settings["mode"] == "offline":  # otherwise W&B would still send reports about its use
        os.environ["WANDB_ERROR_REPORTING"] = "false"
    # without dots: W&B reads a dotted key as levels of a tree, and cannot group by it
    factors = {f"factor/{factor.replace('.', '/')}": level for factor, level in config.get("factors", {}).items()}

    def begun(mode: str) -> "Run":
        run = wandb.init(
            project=settings["project"],
            name=name,
            id=identity,
            group=settings["group"],
            job_type=job_type,
            tags=list(dict.fromkeys([*settings["tags"], *tags_of(config)])),
            dir=str(record.folder),
            config=config | factors,
            mode=mode,  # type: ignore[arg-type]
            settings=wandb.Settings(
                silent=True, console="off", init_timeout=WAIT, finish_timeout=WAIT, finish_timeout_raises=True
            ),
        )
        run.define_metric("images_seen", hidden=True)
        run.define_metric("*", step_metric="images_seen")
        return run

    try:
        return begun(settings["mode"])
    except Exception as error:
        _give_up(record, error, " (`wandb login` sets the key)" if isinstance(error, wandb.errors.UsageError) else "")
    if settings["mode"] == "offline":
        return None
    try:
        return begun("offline")
    except Exception:
        return None


def _close(run: "Run", record: RunRecord, summary: Mapping[str, Any], exit_code: int) -> None:
    """End a W&B run with its summary, and mark it as uploaded if all of it was."""
    try:
        run.summary.update(summary)
        run.finish(exit_code=exit_code)
    except Exception as error:
        _give_up(record, error)
        return
    if not run.offline:
        mark_sent(Path(run.dir).parent)


def _give_up(record: RunRecord, error: Exception, hint: str = "") -> None:
    """Warn that W&B failed, and end its own process, which would delay the exit of ours."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    logging.getLogger("swaplab").warning(
        "W&B failed (%s)%s; the run's record is complete without it, and `swaplab runs sync %s` uploads what is kept "
        "offline",
        reason,
        hint,
        record.folder,
    )
    import wandb

    # private names of W&B, checked by a test: its atexit hook waits for this process without a limit
    service = getattr(getattr(wandb.setup()._connection, "_proc", None), "_process", None)

    def torn_down() -> None:
        with contextlib.suppress(Exception):
            wandb.teardown()

    ending = threading.Thread(target=torn_down, daemon=True)
    ending.start()
    ending.join(GRACE)
    if service is not None and service.poll() is None:
        service.kill()
