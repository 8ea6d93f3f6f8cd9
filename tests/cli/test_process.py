"""The fixture that starts commands in processes of their own does what a shell would."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Process = Callable[..., Any]


def test_words_folder_environment_output_and_exit_code(process: Process, tiny: list[str], tmp_path: Path) -> None:
    here = tmp_path / "elsewhere"
    here.mkdir()
    words = [word for word in tiny if not word.startswith("runs=")]
    done = process("train", *words, "name=here", "budget.images=16", cwd=here)
    assert done.wait() == 0, done.err
    assert "complete" in done.out
    assert list((here / "runs" / "here").iterdir())
    wrong = process("train", "sede=3")
    assert wrong.wait() == 2
    assert wrong.err.startswith("swaplab train: ")


def test_it_leads_a_group_and_dies_of_a_signal(process: Process, tiny: list[str]) -> None:
    run = process("train", *tiny, "budget.images=10000000", "workers=1")
    assert os.getpgid(run.pid) == run.pid != os.getpgid(0)
    run.until(lambda: list(Path(tiny[3].removeprefix("runs=")).rglob("metrics.jsonl")))
    run.kill(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL


def test_a_reader_that_leaves_ends_it_without_a_word() -> None:
    for words in (["options"], ["--help"], ["train", "--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [sys.executable, "-m", "swaplab", *words], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
