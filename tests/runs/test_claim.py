"""Only one process works on a run, and a dead process does not keep it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swaplab.errors import UserError
from swaplab.runs import claim as claims
from swaplab.runs.claim import LOCK, claim, claimed, is_new
from swaplab.runs.record import RunRecord

HOLDER = """
import os, sys, time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from swaplab.runs.record import RunRecord
RunRecord.create(Path(sys.argv[1]), {}, {})
if "fork" in sys.argv and os.fork() == 0:
    time.sleep(60)
print("mine", flush=True)
time.sleep(60)
"""


def holder(folder: Path, *more: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *more], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    return process


def test_the_process_that_works_on_a_run_is_found_while_it_does(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert claims.holder(folder) is None
    program = HOLDER.replace("{}, {})\n", "{}, {}).begin_session()\n", 1)
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        assert claims.holder(folder) == process.pid
        process.kill()
        process.wait()
    assert RunRecord.load(folder).facts["sessions"][-1]["pid"] == process.pid
    assert claims.holder(folder) is None  # whatever the record still says


def test_a_run_that_another_process_works_on_is_refused_and_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = holder(folder)
    try:
        before = (folder / "run.json").read_bytes()
        with pytest.raises(UserError, match=f"process {process.pid} on .* is working on the run {folder}"):
            claim(folder, patience=0.5)
        assert (folder / "run.json").read_bytes() == before
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    claim(folder, patience=5.0)
    claim(folder, patience=0.0)  # already owned by this process
    assert RunRecord.load(folder).status == "failed"


def test_who_comes_second_waits_for_the_end_of_the_first(tmp_path: Path) -> None:
    process = holder(tmp_path / "run")
    started = time.monotonic()
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({process.pid}, 9)"])
    claim(tmp_path / "run", patience=20.0)
    assert 0.1 < time.monotonic() - started < 19
    assert killer.wait() == 0
    process.wait()


def test_a_process_that_the_dead_one_forked_does_not_keep_the_run(tmp_path: Path) -> None:
    process = holder(tmp_path / "run", "fork")
    try:
        os.kill(process.pid, 9)
        process.wait()
        claim(tmp_path / "run", patience=2.0)
    finally:
        os.killpg(process.pid, 9)


def test_a_claim_on_nothing_leaves_nothing_and_one_on_a_run_leaves_the_run(tmp_path: Path) -> None:
    with claimed(tmp_path / "runs/name/run"):
        assert is_new(tmp_path / "runs/name/run")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    with claimed(tmp_path / "runs/name/run"):
        (tmp_path / "runs/name/run/run.json").touch()
    assert not is_new(tmp_path / "runs/name/run")
    with claimed(tmp_path / "runs/name/run"):
        pass
    assert (tmp_path / "runs/name/run/run.json").exists()


def test_a_folder_that_its_owner_takes_away_is_claimed_anew(tmp_path: Path) -> None:
    process = holder(tmp_path / "run")
    script = (
        f"import os, shutil, time; time.sleep(0.5); shutil.rmtree({str(tmp_path / 'run')!r}); os.kill({process.pid}, 9)"
    )
    other = subprocess.Popen([sys.executable, "-c", script])
    claim(tmp_path / "run", patience=20.0)
    assert other.wait() == 0
    process.wait()
    assert is_new(tmp_path / "run")
    assert (tmp_path / "run" / LOCK).exists()


def test_of_two_equal_commands_one_trains_and_one_is_told(tiny: list[str], process: Callable[..., Any]) -> None:
    """Neither finds a run at the start; the second must look again after the first has ended."""
    commands = [process("train", *tiny, "budget.images=16", "run_id=one") for _ in range(2)]
    assert [command.wait() for command in commands] == [0, 0]
    said = sorted(command.out.split(":")[0] for command in commands)
    assert said == ["complete", "this run is already complete (same config and seed)"]
    runs = next(word for word in tiny if word.startswith("runs=")).removeprefix("runs=")
    record = RunRecord.load(Path(runs) / "quick" / "one")
    assert (record.status, len(record.facts["sessions"])) == ("complete", 1)
    assert [row["images_seen"] for row in record.metrics()] == [0, 16]
