"""No logger decides about a run: what fails costs a sentence, what hangs a bounded wait."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord
from swaplab.training.loggers import feed
from swaplab.training.loggers.feed import Feeds, views_of
from swaplab.training.loggers.shown import Shown, View, check_package, flat

CONFIG = {"name": "n", "seed": 1, "labels": {"name": None, "group": None, "job_type": "t", "tags": [], "notes": None}}
ROWS = [{"images_seen": 8 * i, "val/reconstruction_mse": 1 / i} for i in (1, 2, 3)]

OWN = '''
from lightning.pytorch.loggers import Logger

class Own(Logger):
    """Remembers what it is told."""
    def __init__(self, path: str): self.said, self.path = [], path
    name, version = "own", "1"
    def log_hyperparams(self, params): self.said.append(("config", params["seed"], params["tags"]))
    def log_metrics(self, metrics, step=None): self.said.append((step, metrics))
    def finalize(self, status):
        self.said.append(status)
        open(self.path, "w").write(repr(self.said))
'''


class Bad(View):
    """Fails, or waits, where it is asked to."""

    title = "Bad"

    def __init__(self, where: str, wait: float = 0) -> None:
        self.where, self.wait, self.rows, self.abandoned = where, wait, [], False  # type: ignore[var-annotated]

    def _do(self, where: str) -> None:
        if where == self.where:
            time.sleep(self.wait)
            raise OSError("no route to host.\nmore")

    def begin(self, run: Shown) -> float | None:
        self._do("begin")
        return 8

    def show(self, values: Mapping[str, float], sheets: Mapping[str, Path]) -> None:
        self._do("show")
        self.rows.append(values["images_seen"])

    def end(self, summary: Mapping[str, Any], status: str) -> None:
        self._do("end")
        self.summary = dict(summary)

    def abandon(self) -> None:
        self.abandoned = True


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return RunRecord.create(tmp_path / "run", CONFIG, {"cost": {"seconds": 2.0}})


def tell(views: list[View], record: RunRecord) -> Feeds:
    loggers = Feeds.of_training(views, record, CONFIG)
    for row in ROWS:
        loggers.publish(row, None)
    loggers.finish({"last": 3.0}, "complete")
    return loggers


def test_rows_that_are_there_are_not_sent_again(record: RunRecord) -> None:
    good = Bad("nowhere")
    tell([good], record)
    assert good.rows == [16, 24]
    best = {"best/val/reconstruction_mse": 1 / 3}
    assert good.summary == best | {"cost/seconds": 2.0, "last": 3.0, "status": "complete"}
    assert not good.abandoned


@pytest.mark.parametrize("where", ["begin", "show", "end"])
def test_a_logger_that_fails_costs_one_sentence(
    record: RunRecord, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    bad, good = Bad(where), Bad("nowhere")
    tell([bad, good], record)
    assert [said.getMessage() for said in caplog.records] == [
        "Bad failed (no route to host); the run's record is complete without it"
    ]
    assert bad.abandoned
    assert good.rows == [16, 24]


def test_a_logger_that_hangs_costs_a_bounded_wait(
    record: RunRecord, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LIMIT", 0.2)
    bad, started = Bad("show", wait=3.0), time.monotonic()
    tell([bad], record)
    assert time.monotonic() - started < 2.5
    assert bad.abandoned
    assert caplog.text.count("Bad failed (it needs more than") == 1


def test_other_ranks_have_no_loggers() -> None:
    bad = Bad("begin")
    loggers = Feeds.of_training([bad], None, CONFIG)
    loggers.publish(ROWS[0], None)
    loggers.finish({}, "complete")
    assert (loggers.best, bad.abandoned) == ({"best/val/reconstruction_mse": 1.0}, False)


def test_a_missing_package_is_one_sentence() -> None:
    with pytest.raises(
        UserError, match=r"^logger=mlflow needs the package no_such; run pip install 'swaplab\[mlflow\]'$"
    ):
        check_package("no_such", "mlflow")


def test_your_own_logger_of_lightning_gets_the_rows_of_its_session(
    record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_loggers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SWAPLAB_PACKAGES", "my_loggers")
    monkeypatch.delitem(sys.modules, "my_loggers", raising=False)
    node = {"_target_": "my_loggers.Own", "path": str(tmp_path / "said")}
    record.add_metrics(ROWS[0])  # of an earlier session
    loggers = Feeds.of_training(views_of({"logger": {"mine": node, "off": None}}), record, CONFIG)
    for row in ROWS[1:]:
        loggers.publish(row, None)
    loggers.finish({}, "interrupted")
    said = [("config", 1, ["seed=1"]), (16, {"val/reconstruction_mse": 1 / 2}), (24, {"val/reconstruction_mse": 1 / 3})]
    assert (tmp_path / "said").read_text() == repr([*said, "aborted"])


def test_keys_are_flat_and_lists_whole() -> None:
    assert flat({"a": {"b": 1, "c": {}}, "d": [1, 2]}) == {"a.b": 1, "a.c": {}, "d": [1, 2]}
