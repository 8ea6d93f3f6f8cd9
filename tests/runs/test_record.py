import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from swaplab.errors import UserError
from swaplab.runs.record import RunRecord

CONFIG = {"name": "x", "seed": 1}


def test_round_trip(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "r", CONFIG, {"seed": 1})
    record.add_metrics({"images_seen": 10, "loss": 1.5})
    record.end("complete", "done", metrics={"loss": 1.5})
    again = RunRecord.load(tmp_path / "r")
    assert again.status == "complete"
    assert again.config() == CONFIG
    assert again.metrics() == [{"images_seen": 10, "loss": 1.5}]
    assert again.facts["sessions"][0]["ended"]


def test_cut_back_drops_later_rows_and_a_line_that_a_kill_cut_short(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "r", CONFIG, {})
    for images in (10, 20, 30):
        record.add_metrics({"images_seen": images})
    with record.metrics_file.open("a") as file:
        file.write('{"images_seen": 4')
    assert [r["images_seen"] for r in record.metrics()] == [10, 20, 30]
    record.cut_back(20)
    record.add_metrics({"images_seen": 25})
    assert [r["images_seen"] for r in record.metrics()] == [10, 20, 25]


def test_a_run_whose_process_is_gone_counts_as_failed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from swaplab.runs.record import RunRecord; "
        "RunRecord.create(Path(sys.argv[1]), {}, {})"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "r")], check=True)
    assert json.loads((tmp_path / "r/run.json").read_text())["status"] == "running"
    assert RunRecord.load(tmp_path / "r").status == "failed"


def test_a_living_run_counts_as_running(tmp_path: Path) -> None:
    RunRecord.create(tmp_path / "r", CONFIG, {})
    assert RunRecord.load(tmp_path / "r").status == "running"


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a run folder: it has no run.json"):
        RunRecord.load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"cannot be written .* choose another with runs=DIR"):
        RunRecord.create(tmp_path / "r", CONFIG, {})


def test_a_place_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match=r"cannot be written .* choose another with runs=DIR"):
        RunRecord.create(tmp_path / "f" / "r", CONFIG, {})
