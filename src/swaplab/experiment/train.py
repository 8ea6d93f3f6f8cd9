"""From a resolved config to its run: folder, claim, code, record and training; or the finished run."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swaplab.catalogue import loss_of
from swaplab.config.trust import named_packages
from swaplab.runs.claim import claimed
from swaplab.runs.code import check_code, code_of
from swaplab.runs.identity import run_id_of
from swaplab.runs.naming import located
from swaplab.runs.preparing import preparing
from swaplab.runs.record import finished
from swaplab.training.launch import is_main

if TYPE_CHECKING:
    from swaplab.training.record_logger import Listener


@dataclass(frozen=True)
class Trained:
    """How a run ended. ``reason``: None if it was finished before. ``metrics``: the last value of each.

    ``signal``: the signal that asked the run to end, or 0.
    """

    folder: Path
    status: str
    reason: str | None
    metrics: dict[str, float]
    signal: int = 0

    def objective(self, metric: str) -> float | None:
        """The last value of a metric, with its sign such that lower is better, for sweepers; None if missing."""
        return loss_of(metric, self.metrics[metric]) if metric in self.metrics else None


def train(
    config: dict[str, Any], tell: "Listener | None" = None, say: Callable[[str], object] = lambda text: None
) -> Trained:
    """Train the run of a resolved config, from the start or from its last checkpoint, unless it is finished.

    ``tell`` gets every row of metrics and every sheet, ``say`` a sentence before imports that take seconds. Raises
    UserError for what the user can fix.
    """
    config = located(config)
    folder = Path(config["runs"]) / config["name"] / run_id_of(config)
    main = is_main()
    with claimed(folder) if main else nullcontext():  # before reading: another process may be ending it
        done = finished(folder, config)
        check_code(folder, config, code_of(named_packages(config)))
        if done is not None:
            return Trained(folder, done.status, None, done.facts["metrics"])
        with preparing(folder, config) if main else nullcontext() as record:
            if main and config["trainer"]["progress"]:
                say(f"preparing {folder}")
            from swaplab.experiment.fit import fit

            run = fit(config, folder, record, tell)
    return Trained(run.folder, run.status, run.reason, run.metrics, run.signal)
