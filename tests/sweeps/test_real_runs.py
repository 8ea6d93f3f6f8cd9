"""Sweeps of real runs: several ranks inside a job, an evaluation after it, a kill in the middle."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.runs.record import RunRecord

Process = Callable[..., Any]


def records(runs: Path) -> list[RunRecord]:
    return [RunRecord.load(path.parent) for path in sorted(runs.glob("*/*/run.json"))]


def last_row(record: RunRecord) -> dict[str, float]:
    """The last row of metrics without what a clock says."""
    return {k: v for k, v in record.metrics()[-1].items() if not k.startswith("train/")}


@pytest.mark.slow
def test_runs_of_one_and_of_two_ranks_in_one_sweep_agree(process: Process, tiny: list[str], tmp_path: Path) -> None:
    words = ["-m", *tiny, "trainer=auto,ddp_cpu", "norm=none", "trainer.precision=32-true", "budget.images=32"]
    done = process("train", *words, cwd=tmp_path)
    assert done.wait() == 0, done.out + done.err
    assert "2 jobs: 2 complete" in done.out
    found = {record.config()["factors"]["trainer"]: record for record in records(tmp_path / "runs")}
    assert {name: record.facts["environment"]["ranks"] for name, record in found.items()} == {"auto": 1, "ddp_cpu": 2}
    one, two = last_row(found["auto"]), last_row(found["ddp_cpu"])
    assert one == pytest.approx(two, rel=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    again = process("train", *words, cwd=tmp_path)
    assert again.wait() == 0
    assert again.out.count("already finished") == 2


@pytest.mark.slow
def test_a_killed_sweep_goes_on_to_the_numbers_of_one_that_was_not(
    process: Process, tiny: list[str], tmp_path: Path
) -> None:
    settings = [*tiny, "budget.images=400", "every.validate=200"]
    words = ["-m", *settings, "seed=1,2", "hydra.launcher.slots=2"]
    assert process("train", *words, f"runs={tmp_path / 'straight'}", cwd=tmp_path).wait() == 0
    sweep = process("train", *words, cwd=tmp_path)
    sweep.until(lambda: any(r.read_text().count("\n") > 3 for r in (tmp_path / "runs").glob("*/*/metrics.jsonl")))
    sweep.kill(signal.SIGKILL, group=False)
    sweep.wait()
    done = process("train", *words, cwd=tmp_path)  # at once
    assert done.wait() == 0, done.out + done.err
    resumed = records(tmp_path / "runs")
    assert max(len(record.facts["sessions"]) for record in resumed) == 2
    assert [last_row(r) for r in resumed] == [last_row(r) for r in records(tmp_path / "straight")]


@pytest.mark.slow
def test_a_job_is_measured_after_training_by_one_process(process: Process, tiny: list[str], tmp_path: Path) -> None:
    shown = process("train", *tiny, "trainer=ddp_cpu", "norm=none", "--cfg", "job", "--resolve")
    assert shown.wait() == 0, shown.err
    file = tmp_path / "run.yaml"
    file.write_text(shown.out)
    words = [f"resolved={file}", "evaluate=val"]
    done = process("train", *words)
    assert done.wait() == 0, done.out + done.err
    [record] = records(tmp_path / "runs")
    assert json.loads((record.folder / "evaluation/final/val.json").read_text())["split"] == "val"
    assert done.out.count("evaluation: ") == 1
    before = (record.folder / "evaluation/final/val.json").stat().st_mtime_ns
    again = process("train", *words)
    assert again.wait() == 0
    assert "this run is already complete" in again.out
    assert (record.folder / "evaluation/final/val.json").stat().st_mtime_ns == before
