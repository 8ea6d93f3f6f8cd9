"""One process works on a run at a time, and no dead one keeps it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swaplab.errors import UserError
from swaplab.runs.claim import claim
from swaplab.runs.record import RunRecord

HOLDER = """
import os, sys, time
from pathlib import Path
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


def test_a_run_that_another_process_works_on_is_refused_and_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = holder(folder)
    try:
        before = (folder / "run.json").read_bytes()
        with pytest.raises(UserError, match=f"process {process.pid} on .* works on the run {folder}"):
            claim(folder, patience=0.5)
        assert (folder / "run.json").read_bytes() == before
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    claim(folder, patience=5.0)
    claim(folder, patience=0.0)  # what is ours stays ours
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
