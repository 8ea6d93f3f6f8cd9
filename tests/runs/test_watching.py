"""The live view: active and ended runs, one line per report, and no reading of unchanged files."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from swaplab.errors import UserError
from swaplab.runs.living import Lookout
from swaplab.runs.record import RunRecord
from swaplab.runs.watching import view, watch

CONFIG = {"name": "n", "seed": 1, "budget": {"images": 1000}}


def begin(runs: Path, label: str = "n/s1-a", **more: str) -> RunRecord:
    return RunRecord.create(runs / label, CONFIG, {}, **more)


def report(record: RunRecord, images: int, moment: float, **more: float) -> None:
    """A row written at ``moment``."""
    record.add_metrics({"images_seen": images, "loss/generator/x_weighted": 0.5, **more})
    os.utime(record.metrics_file, (moment, moment))


def test_a_look_at_what_is_at_work(tmp_path: Path) -> None:
    lookout, now = Lookout(tmp_path), time.time()
    record = begin(tmp_path, status="preparing")
    begin(tmp_path, "n/s1-done").end("complete", "the budget is spent")
    (tmp_path / "n/s1-broken").mkdir()
    (tmp_path / "n/s1-broken/run.json").write_text("{")
    assert [(run.label, run.status, run.row, run.left) for run in lookout.look()] == [("n/s1-a", "preparing", {}, None)]
    record.update(status="running")
    report(record, 100, now - 100, **{"train/images_per_second": 100.0, "val/reconstruction_psnr": 20.0})
    record.sheet(100).write_bytes(b"png")
    (seen,) = lookout.look()
    assert (seen.status, seen.row["images_seen"], seen.total, seen.sheet) == ("running", 100, 1000, record.sheet(100))
    assert seen.left == 0.0  # 9 s from a moment that was 100 s ago
    report(record, 200, now)
    (seen,) = lookout.look()
    assert seen.row["val/reconstruction_psnr"] == 20.0  # the latest value
    assert seen.left == pytest.approx(800, abs=5)  # 100 images in 100 s, whatever the training speed is
    assert lookout.ended == {}
    record.end("complete", "the budget is spent")
    assert lookout.look() == []
    assert {label: ended.status for label, ended in lookout.ended.items()} == {"n/s1-a": "complete"}
    assert lookout.look() == []
    assert lookout.ended == {}


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = begin(tmp_path)
    for i in range(5):
        begin(tmp_path, f"n/s2-{i}").end("complete", "done")
    report(record, 100, 50.0)
    lookout = Lookout(tmp_path)
    (before,) = lookout.look()

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(RunRecord, "load", refuse)
    monkeypatch.setattr("swaplab.runs.record.last_rows", refuse)
    (after,) = lookout.look()
    assert after.row == before.row


def test_a_process_that_is_gone_is_no_longer_at_work(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from swaplab.runs.record import RunRecord\n"
        f"RunRecord.create(Path(sys.argv[1]), {CONFIG!r}, {{}}); print('made', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "n/s1-a")]
    lookout = Lookout(tmp_path)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [run.label for run in lookout.look()] == ["n/s1-a"]
    assert lookout.look() == []
    assert lookout.ended["n/s1-a"].status == "failed"


def test_without_a_terminal_a_line_per_report_until_nothing_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, console = begin(tmp_path), Console(file=io.StringIO(), width=40)
    steps = iter(
        [
            lambda: report(record, 100, 50.0, **{"train/images_per_second": 10.0}),
            lambda: None,
            lambda: report(record, 200, 60.0, **{"val/reconstruction_psnr": 21.0}),
            lambda: record.end("diverged", "a loss was not finite at step 9"),
        ]
    )
    monkeypatch.setattr("swaplab.runs.watching.time.sleep", lambda _: next(steps, lambda: None)())
    watch(tmp_path, console, patience=0.05)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "n/s1-a: running",
        "n/s1-a: 100 of 1,000 images: loss 0.5, 10 images/s, 0 s left",
        "n/s1-a: 200 of 1,000 images: loss 0.5, PSNR 21.0 dB, 10 images/s, 0 s left",
        "n/s1-a: diverged (a loss was not finite at step 9)",
        f"no active run under {tmp_path}; waiting 0 s for one to start",
        f"no run started under {tmp_path}",
    ]


def test_on_a_terminal_a_table(tmp_path: Path) -> None:
    record, console = begin(tmp_path), Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False)
    begin(tmp_path, "n/s2-b", status="preparing")
    report(record, 100, time.time(), **{"train/images_per_second": 10.0, "val/oracle_swap_psnr": 19.96})
    record.sheet(100).write_bytes(b"png")
    console.print(view(Lookout(tmp_path).look()))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for part in ("100 / 1,000", "20.0", "0.5", "preparing", "000000100.png", "1 min"):
        assert part in shown.replace("\n", "")
    for each in (record, RunRecord.load(tmp_path / "n/s2-b")):
        each.end("interrupted", "stopped by SIGTERM")
    watch(tmp_path, console, pause=0.01, patience=0.05)
    assert console.file.getvalue().endswith(f"no run started under {tmp_path}\n")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not a folder; give the folder of your runs with runs=DIR"):
        watch(tmp_path / "nowhere", pause=0.01, patience=0.05)
