"""Sweeps of real runs: several ranks inside a job, an evaluation after it, a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swaplab.runs.record import RunRecord

TRAIN = [sys.executable, "-m", "swaplab.apps.train"]


def records(runs: Path) -> list[RunRecord]:
    return [RunRecord.load(path.parent) for path in sorted(runs.glob("*/*/run.json"))]


def last_row(record: RunRecord) -> dict[str, float]:
    """The last row of metrics without what a clock says."""
    return {k: v for k, v in record.metrics()[-1].items() if not k.startswith("train/")}


def test_runs_of_one_and_of_two_ranks_in_one_sweep_agree(tiny: list[str], tmp_path: Path) -> None:
    words = [*TRAIN, "-m", *tiny, "trainer=auto,ddp_cpu", "norm=none", "trainer.precision=32-true", "budget.images=32"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 jobs: 2 complete" in done.stdout
    found = {record.config()["factors"]["trainer"]: record for record in records(tmp_path / "runs")}
    assert {name: record.facts["environment"]["ranks"] for name, record in found.items()} == {"auto": 1, "ddp_cpu": 2}
    one, two = last_row(found["auto"]), last_row(found["ddp_cpu"])
    assert one == pytest.approx(two, rel=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout.count("it was already") == 2


@pytest.mark.slow
def test_a_killed_sweep_goes_on_to_the_numbers_of_one_that_was_not(tiny: list[str], tmp_path: Path) -> None:
    settings = [*tiny, "budget.images=400", "every.validate=200"]
    words = [*TRAIN, "-m", *settings, "seed=1,2", "hydra.launcher.slots=2"]
    straight = [*words, f"runs={tmp_path / 'straight'}"]
    subprocess.run(straight, cwd=tmp_path, check=True, capture_output=True)
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not [r for r in (tmp_path / "runs").glob("*/*/metrics.jsonl") if r.read_text().count("\n") > 3]:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)  # at once
    assert done.returncode == 0, done.stdout + done.stderr
    resumed = records(tmp_path / "runs")
    assert max(len(record.facts["sessions"]) for record in resumed) == 2
    assert [last_row(r) for r in resumed] == [last_row(r) for r in records(tmp_path / "straight")]


@pytest.mark.slow
def test_a_job_is_measured_after_training_by_one_process(tiny: list[str], tmp_path: Path) -> None:
    shown = subprocess.run(
        [*TRAIN, *tiny, "trainer=ddp_cpu", "norm=none", "--cfg", "job", "--resolve"],
        capture_output=True,
        text=True,
        check=True,
    )
    file = tmp_path / "run.yaml"
    file.write_text(shown.stdout)
    words = [*TRAIN, f"resolved={file}", "evaluate=val"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [record] = records(tmp_path / "runs")
    assert json.loads((record.folder / "evaluation" / "val.json").read_text())["split"] == "val"
    assert done.stdout.count("evaluation: ") == 1
    before = (record.folder / "evaluation" / "val.json").stat().st_mtime_ns
    again = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
    assert "this run is complete already" in again.stdout
    assert (record.folder / "evaluation" / "val.json").stat().st_mtime_ns == before
