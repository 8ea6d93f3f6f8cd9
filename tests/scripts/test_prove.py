"""Code that gives the same losses is proven to; code that does not is not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.runs.code import PROOFS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_comment_is_proven_equal_and_another_loss_is_not(
    tmp_path: Path, tiny: list[str], command: Callable[..., tuple[int, str, str]]
) -> None:
    assert command("train", *tiny, "run_id=x", "budget.session_images=16")[0] == 0
    run, new = tmp_path / "runs/quick/x", tmp_path / "new"
    shutil.copytree(ROOT / "src", new / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "scripts", new / "scripts")
    loss = new / "src/swaplab/losses/reconstruction.py"
    text = loss.read_text()

    def prove() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, str(new / "scripts/prove.py"), f"run={run}", f"before={ROOT}", "images=8"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    loss.write_text(text.replace("return (prediction - target).abs()", "return (prediction - target).abs() * 1.5"))
    assert loss.read_text() != text
    assert "different: loss/" in prove().stdout
    assert not (tmp_path / "runs" / PROOFS).exists()
    loss.write_text(text + "# a word\n")
    done = prove()
    assert done.returncode == 0, done.stdout + done.stderr
    (proof,) = map(json.loads, (tmp_path / "runs" / PROOFS).read_text().splitlines())
    assert len(set(proof["codes"])) == 2
