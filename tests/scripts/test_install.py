"""The set-up says one line per stage; where it fails, it shows the end of the log and names it."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install.sh"
# A Python that makes environments of itself, and whose pip prints more than anybody wants to read.
PYTHON = """#!/bin/sh
case "$*" in
    "-c "*) exit "${OLD:-0}" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip --version") exit 0 ;;
    "-m pip "*)
        echo "$@" >>"$PLACE/asked"
        for number in $(seq 100); do echo "WARNING: $number" >&2; done
        case "$*" in *"${BREAKS:-nothing}"*) echo "ERROR: no hash"; exit 1 ;; esac ;;
esac
"""


def install(place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    python = place / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    words = ["sh", str(SCRIPT), str(python), "env", "lock.txt", "--no-deps", "-e", "."]
    known = {**os.environ, "PLACE": str(place), **environment}
    return subprocess.run(words, cwd=place, env=known, capture_output=True, text=True, check=False)


def test_one_line_per_stage(tmp_path: Path) -> None:
    done = install(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(" (")[0] for line in done.stdout.splitlines()] == [
        "creating a Python environment in env",
        "installing the packages of lock.txt",
        "installing swaplab",
    ]
    assert (tmp_path / "env" / "install.log").read_text().count("WARNING") == 200
    locked, ours = (tmp_path / "asked").read_text().splitlines()
    assert locked.endswith("--require-hashes -r lock.txt")
    assert ours.endswith("--no-deps -e .")
    assert "creating" not in install(tmp_path).stdout  # an environment that is there is kept


@pytest.mark.parametrize(("stage", "breaks"), [(2, "--require-hashes"), (3, "-e .")])
def test_the_log_of_a_failed_stage_is_named(stage: int, breaks: str, tmp_path: Path) -> None:
    done = install(tmp_path, BREAKS=breaks)
    said = done.stderr.splitlines()
    assert (done.returncode, len(done.stdout.splitlines())) == (1, stage)
    assert len(said) == 16
    assert said[-2:] == ["ERROR: no hash", "this stage failed; its whole output is in env/install.log"]


def test_an_old_python_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = install(tmp_path, OLD="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("swaplab needs Python 3.11 or newer")
    assert not (tmp_path / "env").exists()
