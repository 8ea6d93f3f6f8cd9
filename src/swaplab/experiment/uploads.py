"""What `swaplab runs sync` uploads of a run."""

from pathlib import Path

from swaplab.experiment.recorded import recorded_config
from swaplab.runs.offline import is_continued
from swaplab.runs.record import RunRecord
from swaplab.training.loggers.wandb import rewritten


def whole(folder: Path, part: Path) -> Path:
    """A W&B folder with all rows of the run in ``folder``.

    It is ``part``, or a new one if ``part`` continues what was uploaded before.
    """
    if not is_continued(part):
        return part
    record = RunRecord.load(folder)
    return rewritten(record, recorded_config(record))
