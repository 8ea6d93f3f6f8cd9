"""A run's record is there before its data are, and a run that is refused leaves what was there before."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.experiment.recorded import load_model
from swaplab.runs.claim import claimed
from swaplab.runs.code import check_code, code_of
from swaplab.runs.preparing import preparing
from swaplab.runs.record import RunRecord, finished
from swaplab.runs.registry import all_runs, check_removable, unfinished
from swaplab.stopping import Stopped

CONFIG: dict[str, Any] = {"name": "n", "seed": 3, "run_id": "r", "lr": 1.0}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A run's folder that this process has claimed."""
    with claimed(tmp_path / "runs/n/r"):
        yield tmp_path / "runs/n/r"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_record_is_there_from_the_start_and_goes_on_as_the_run_s(folder: Path) -> None:
    runs = folder.parents[1]
    with preparing(folder, CONFIG) as record:
        there = RunRecord.load(folder)
        assert (there.status, there.begun, there.config()) == ("preparing", False, CONFIG)
        (entry,) = all_runs(runs)
        assert (entry.status, entry.images_seen, entry.config["seed"]) == ("preparing", 0, 3)
        assert unfinished([entry]) == []
        with pytest.raises(UserError, match="is preparing; stop it first"):
            check_removable(runs, folder)
        record.begin(code_of(), parameters={"generator": 7})
    there = RunRecord.load(folder)
    assert (there.status, there.begun, there.facts["parameters"]) == ("running", True, {"generator": 7})
    assert (len(there.facts["sessions"]), there.codes) == (1, [code_of().digest])


def test_a_run_that_is_refused_leaves_nothing(folder: Path) -> None:
    with pytest.raises(UserError, match="no faces"), preparing(folder, CONFIG):
        raise UserError("no faces")
    assert set(contents(folder)) == {".lock"}
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_one_that_goes_on_is_refused_and_stays_as_it_was(folder: Path) -> None:
    for checkpoint in (False, True):
        with preparing(folder, CONFIG) as record:
            record.begin(code_of())
            record.add_metrics({"images_seen": 8})
        record.end("interrupted", "stopped by SIGTERM", images_seen=8)
        if checkpoint:
            (folder / "checkpoints/last.ckpt").write_bytes(b"weights")
        before = contents(folder)
        with suppress(UserError), preparing(folder, CONFIG):
            assert RunRecord.load(folder).status == "preparing"
            assert len(RunRecord.load(folder).facts["sessions"]) == 1 + checkpoint
            raise UserError("the faces are gone")
        assert contents(folder) == before
    with preparing(folder, CONFIG) as record:
        record.begin(code_of())
    assert RunRecord.load(folder).facts["images_seen"] == 8, "what a checkpoint goes on with is no new record"


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (Stopped(15), ("interrupted", "stopped by SIGTERM")),
        (ZeroDivisionError("of what"), ("failed", "ZeroDivisionError: of what")),
    ],
)
def test_what_else_ends_it_is_told(folder: Path, error: BaseException, end: tuple[str, str]) -> None:
    with pytest.raises(type(error)), preparing(folder, CONFIG):
        raise error
    record = RunRecord.load(folder)
    assert (record.status, record.facts["exit_reason"]) == end
    assert record.facts["sessions"][-1]["ended"]


def test_after_it_has_begun_the_end_is_told_by_others(folder: Path) -> None:
    with suppress(UserError), preparing(folder, CONFIG) as record:
        record.begin(code_of())
        raise UserError("too late")
    assert RunRecord.load(folder).facts["status"] == "running"


def test_what_was_killed_before_it_began_keeps_nobody_out(folder: Path) -> None:
    """Nothing was computed: another config, or other code, may take the place; and a bad one leaves nothing again."""
    record = RunRecord.create(folder, CONFIG, {"begun": False}, status="preparing")
    record.facts["sessions"][-1]["pid"] = 2**22 + 1  # no such process
    record.update()
    assert (RunRecord.load(folder).status, finished(folder, CONFIG)) == ("failed", None)
    other = CONFIG | {"lr": 2.0}
    assert finished(folder, other) is None
    check_code(folder, {"runs": str(folder.parents[1])} | other, code_of())
    with pytest.raises(UserError), preparing(folder, other):
        raise UserError("no faces")
    assert set(contents(folder)) == {".lock"}
    with preparing(folder, other) as record:
        record.begin(code_of())
    assert RunRecord.load(folder).config() == other
    with pytest.raises(UserError, match="another config"):
        finished(folder, CONFIG)


def test_a_run_without_a_checkpoint_stays_a_run_that_has_begun(folder: Path) -> None:
    """Killed in training, then again while it was prepared: its rows are not another config's to overwrite."""
    with preparing(folder, CONFIG) as record:
        record.begin(code_of())
    with pytest.raises(Stopped), preparing(folder, CONFIG):
        raise Stopped(2)
    assert json.loads((folder / "run.json").read_text())["begun"]
    with pytest.raises(UserError, match="another config"):
        finished(folder, CONFIG | {"lr": 2.0})


def test_what_has_not_begun_has_nothing_to_use(folder: Path) -> None:
    with preparing(folder, CONFIG) as record, pytest.raises(UserError, match="has no weights yet"):
        load_model(record, CONFIG)
