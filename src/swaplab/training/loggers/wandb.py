"""The record in Weights & Biases: one W&B run per run, and one for each of its evaluations."""

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swaplab.config.build import build
from swaplab.errors import first_line
from swaplab.runs.offline import mark_continued, mark_sent
from swaplab.runs.record import RunRecord
from swaplab.training.loggers.feed import Feeds, complain
from swaplab.training.loggers.shown import Shown, View

if TYPE_CHECKING:
    from wandb import Run

# Maximum seconds for W&B to start or end a run, and to exit after a failure.
WAIT, GRACE = 6.0, 2.0
TAG = 64  # characters, W&B's limit


class Wandb(View):
    """Weights & Biases, with ``images_seen`` as the axis of every curve. Offline, nothing leaves the machine until
    `swaplab runs sync`.

    A key that is null takes the environment's ``WANDB_MODE``, ``WANDB_PROJECT`` or ``WANDB_ENTITY``; without that,
    offline, swaplab and your own account.
    """

    title = "W&B"

    def __init__(
        self,
        mode: Literal["offline", "online", "disabled"] | None = None,
        project: str | None = None,
        entity: str | None = None,
    ) -> None:
        self.mode, self.project, self.entity = mode, project, entity
        self.run: Run | None = None

    def begin(self, run: Shown) -> float | None:
        """A W&B run; offline if the service does not take it in time.

        A job of a W&B sweep can report only one run, so evaluations are not sent from there.
        """
        mode = self.mode or os.environ.get("WANDB_MODE") or "offline"
        if mode == "disabled" or (run.evaluation and "WANDB_SWEEP_ID" in os.environ):
            return None
        try:
            self._open(run, mode)
        except Exception as error:
            if mode == "offline":
                raise
            complain(self, run, _reason(error))
            self.abandon()
            self._open(run, "offline")
        assert self.run is not None
        if not self.run.resumed:
            return -1
        mark_continued(Path(self.run.dir).parent)
        return float(self.run.summary.get("images_seen", -1))

    def _open(self, run: Shown, mode: str) -> None:
        import wandb

        if mode == "offline":  # otherwise W&B would still send reports about its use
            os.environ["WANDB_ERROR_REPORTING"] = "false"
        evaluation = dict(zip(("weights", "split"), run.evaluation or (), strict=False))
        # without dots: W&B reads a dotted key as levels of a tree, and cannot group by it
        factors = {f"factor/{name.replace('.', '/')}": level for name, level in run.config.get("factors", {}).items()}
        self.run = wandb.init(
            entity=self.entity,
            project=self.project or os.environ.get("WANDB_PROJECT") or "swaplab",
            name=" ".join([run.labels["name"] or os.environ.get("WANDB_NAME") or run.name, *evaluation.values()]),
            notes=run.labels["notes"],
            id="-".join([run.identity, *(["evaluate", *evaluation.values()] if evaluation else [])]),
            group=run.labels["group"] or os.environ.get("WANDB_RUN_GROUP") or run.group,
            job_type=run.job_type,
            tags=tags_of(run),
            dir=os.environ.get("WANDB_DIR") or str(run.record.folder),
            config={**run.config, **factors, **run.code, **({"evaluation": evaluation} if evaluation else {})},
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if mode == "online" and not evaluation and "WANDB_SWEEP_ID" not in os.environ else None,
            settings=wandb.Settings(
                silent=True, console="off", init_timeout=WAIT, finish_timeout=WAIT, finish_timeout_raises=True
            ),
        )
        self.run.define_metric("images_seen", hidden=True)
        self.run.define_metric("*", step_metric="images_seen")

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        """One row, with its pictures, in a single call."""
        import wandb

        assert self.run is not None
        self.run.log({**values, **{name: wandb.Image(str(sheet)) for name, sheet in sheets.items()}})

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        """Close, failed runs as failed, and mark the run as uploaded if all of it was.

        The summary is not left to W&B, whose own minimum or maximum of a metric would replace its last value in tables.
        """
        assert self.run is not None
        self.run.summary.update(dict(summary))
        self.run.finish(exit_code=int(status == "failed"))
        if not self.run.offline:
            mark_sent(Path(self.run.dir).parent)

    def advice(self, run: Shown) -> str:
        """How the data get there later."""
        return f", and `swaplab runs sync {run.record.folder}` uploads what is kept offline"

    def abandon(self) -> None:
        """End W&B's own process, which would delay the exit of ours."""
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


def rewritten(record: RunRecord, config: Mapping[str, Any]) -> Path:
    """A new offline W&B folder of a run that has ended, with all rows of its record."""
    (node,) = [node for node in config["logger"].values() if node and node["_target_"] == f"{__name__}.Wandb"]
    view = build(node | {"mode": "offline"}, "logger.wandb")
    Feeds.of_training([view], record, config).finish(record.facts.get("metrics", {}), record.status)
    return Path(view.run.dir).parent


def tags_of(run: Shown) -> list[str]:
    """The tags, with those of ``WANDB_TAGS``, cut to W&B's maximum length."""
    added = [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()]
    return list(dict.fromkeys(tag[:TAG] for tag in [*run.tags, *added]))


def _reason(error: Exception) -> str:
    import wandb

    said = first_line(error).rstrip(".")
    return f"{said}; `wandb login` sets the key" if isinstance(error, wandb.errors.UsageError) else said
