"""A run of two sessions, as loggers hear of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swaplab.runs.record import RunRecord
from swaplab.sheets import png
from swaplab.training.loggers.evaluation import publish_evaluation
from swaplab.training.loggers.feed import Feeds, views_of

CONFIG: dict[str, Any] = {
    "name": "norms",
    "seed": 3,
    "norm": None,
    "optimizer": {"generator": {"lr": 1e-4, "betas": [0.5, 0.999]}},
    "factors": {"norm": "sync_batch"},
    "labels": {"name": None, "group": None, "job_type": "train", "tags": ["quick"], "notes": "as in the paper"},
}
MEASURED = [{"direction": "A->B", "rows": [{"key": "model", "values": {"score": 0.25, "identity[net:ab]": 0.5}}]}]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[dict[str, Any]], RunRecord]:
    """Tells a logger, by its config, of three rows and of two more in a second session, with a sheet in each, then of
    an evaluation; returns the record."""

    def tell(node: dict[str, Any]) -> RunRecord:
        config = CONFIG | {"logger": {"own": node}}
        facts = {"git": {"commit": "c0ffee", "changed": False}, "cost": {"seconds": 1.5}}
        record = RunRecord.create(tmp_path / "runs/norms/s3-abc", config, facts)
        for number, rows, status in ((1, (1, 2, 3), "interrupted"), (2, (4, 5), "complete")):
            if number == 2:
                record.begin_session()
            loggers = Feeds.of_training(views_of(config), record, config)
            for i in rows:
                row = {"images_seen": 64 * i, "steps": i, "val/reconstruction_mse": 1 / i, "loss/generator/l1": 0.5}
                sheet = record.sheet(64 * i) if i in (2, 4) else None
                if sheet:
                    sheet.write_bytes(png(np.full((8, 12, 3), 40 * i, np.uint8)))
                record.add_metrics(row)
                loggers.publish(row, str(sheet) if sheet else None)
            loggers.finish({"val/reconstruction_mse": 1 / rows[-1]}, status)
        record.end("complete", "done", images_seen=320)
        picture = tmp_path / "test-A_to_B-samples.png"
        picture.write_bytes(png(np.zeros((4, 6, 3), np.uint8)))
        publish_evaluation(record, config, {"split": "test", "weights": "final", "directions": MEASURED}, [picture])
        return record

    return tell
