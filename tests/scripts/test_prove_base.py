"""make prove BASE=COMMIT says which experiments are equal, and where the first difference of the others is."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

from swaplab.errors import UserError

ROOT = Path(__file__).parents[2]
LOSSES = [{"loss/generator/a": 0.5}, {"loss/generator/a": 0.25}]
WEIGHTS = {"a.weight": torch.tensor([1.0], dtype=torch.float64)}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("prove_base", ROOT / "scripts/prove_base.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["prove_base"] = module  # its dataclass looks itself up there
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("base=0123456789abcdef", "base=0123456789abcdef is not a commit"),
        ("", "base= is not a commit"),
        ("base=HEAD steps=0", "steps=0 must be a whole number"),
        ("base=HEAD jobs=two", "jobs=two must be a whole number"),
        ("base=HEAD experiments=quick,quik", "there is no experiment 'quik'; choose from cyclegan, "),
        ("BASE=HEAD", "there is no setting BASE; choose from base, "),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    words: str,
    says: str,
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["prove_base.py", *words.split()])
    with pytest.raises(SystemExit) as end:
        script.main()
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.err.startswith(f"prove: {says}")
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_equal_trials_are_equal(script: ModuleType) -> None:
    trial = script.Trial("complete", LOSSES, WEIGHTS, "faces")
    assert script.compared(trial, trial, steps=2) == ("equal", "equal: 1 losses over 2 steps, 1 weights")


def test_the_first_difference_of_trials_is_named(script: ModuleType) -> None:
    old = script.Trial("complete", LOSSES, WEIGHTS, "faces")
    moved = script.Trial("complete", LOSSES, {"a.weight": WEIGHTS["a.weight"] + 1}, "faces")
    assert script.compared(old, moved, 2) == ("different", "different: the weight a.weight differs by up to 1.0e+00")
    kind, text = script.compared(old, script.Trial("complete", [LOSSES[0], LOSSES[0]], WEIGHTS, "others"), 2)
    assert kind == "different"
    assert text.startswith("different: the rendered faces differ; loss/generator/a at step 2 was 0.25, now is 0.5")


def test_a_renamed_loss_is_equal_and_said(script: ModuleType) -> None:
    old = script.Trial("complete", LOSSES, WEIGHTS, "faces")
    new = script.Trial("complete", [{"loss/b": step["loss/generator/a"]} for step in LOSSES], WEIGHTS, "faces")
    kind, text = script.compared(old, new, 2)
    assert kind == "equal"
    assert text.endswith("; loss/generator/a is now loss/b")


def test_steps_that_no_version_reports_are_not_proven(script: ModuleType) -> None:
    trial = script.Trial("complete", LOSSES, WEIGHTS, "faces")
    assert script.compared(trial, trial, steps=3)[0] == "different"
    diverged = script.Trial("diverged", LOSSES, {}, "faces")
    assert script.compared(diverged, diverged, steps=3)[1].endswith("; then both diverge")


def test_a_version_gets_only_the_quiet_words_that_it_knows(script: ModuleType, tmp_path: Path) -> None:
    assert script.known_words(ROOT / "conf") == list(script.QUIET)
    (tmp_path / "train.yaml").write_text("every: {report: 10}\nwandb: offline\n")
    assert script.known_words(tmp_path) == ["every.report=1"]
    (tmp_path / "logger").mkdir()
    (tmp_path / "logger/none.yaml").touch()
    assert script.known_words(tmp_path, ["logger=csv", "logger=none"]) == ["logger=none"]


def test_the_budget_counts_all_batches_of_a_step(script: ModuleType) -> None:
    assert script.images_per_step(["experiment=quick", "batch_size=2"]) == 4
    assert script.images_per_step(["experiment=faceswap_gan", "batch_size=2"]) == 8


def test_one_difference_is_enough_and_a_new_experiment_proves_nothing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asyncio.run(script.verdict(tmp_path, "quick", 1)) == ("new", "new experiment")

    async def verdict(base: Path, name: str, steps: int) -> tuple[str, str]:
        return name, f"{name}: {steps} steps"

    monkeypatch.setattr(script, "verdict", verdict)

    def proven(*kinds: str) -> bool:
        equal: bool = asyncio.run(script.prove(tmp_path, kinds, 5, 2))
        return equal

    assert proven("equal", "new")
    assert not proven("equal", "different")
    assert not proven("new")
    assert capsys.readouterr().out.endswith("new  new: 5 steps (0 s)\n0 equal, 0 different, 1 new\n")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with one commit: this code."""
    folder = tmp_path / "copy"
    for part in ("src", "conf", "scripts"):
        shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    return folder


def started(copy: Path, *words: str) -> "subprocess.Popen[str]":
    """The command in a copy, with temporary files and rendered faces beside it."""
    (copy.parent / "tmp").mkdir(exist_ok=True)
    own = {"PYTHONPATH": str(copy / "src"), "TMPDIR": str(copy.parent / "tmp"), "SWAPLAB_CACHE": str(copy.parent)}
    command = [sys.executable, str(copy / "scripts/prove_base.py"), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | own, cwd=copy, stdout=pipe, stderr=pipe, text=True)


def cleaned_up(copy: Path) -> bool:
    """Whether no worktree, no file and no process is left."""
    worktrees = subprocess.run(["git", "-C", str(copy), "worktree", "list"], capture_output=True, text=True, check=True)
    files = list((copy.parent / "tmp").glob("swaplab-*"))
    return len(worktrees.stdout.splitlines()) == 1 and not files and not trains(copy)


def trains(copy: Path) -> bool:
    """Whether a process trains for the command in a copy."""
    processes = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return any(f"runs={copy.parent}" in line for line in processes.splitlines())


@pytest.mark.slow
def test_a_commit_is_equal_to_itself_and_another_weight_is_found(copy: Path) -> None:
    words = ("base=HEAD", "steps=3", "experiments=quick,twin", "jobs=2")
    (copy / "conf/experiment/twin.yaml").write_text((copy / "conf/experiment/quick.yaml").read_text())
    process = started(copy, *words)
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert "quick  equal: 2 losses over 3 steps" in out
    assert "twin   new experiment" in out

    experiment = copy / "conf/experiment/quick.yaml"
    experiment.write_text(f"{experiment.read_text()}losses: {{reconstruction: {{weight: 1.5}}}}\n")
    process = started(copy, *words)
    out, err = process.communicate()
    assert process.returncode == 1, out + err
    assert "quick  different: loss/generator/reconstruction_weighted at step 1 was " in out
    assert "(relative difference 3.3e-01)" in out
    assert cleaned_up(copy)


@pytest.mark.slow
def test_what_a_version_complains_of_is_said(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^the base does not train it: swaplab train: .*nonsense"):
        asyncio.run(script.trial("the base", ROOT, ["experiment=quick", "nonsense=1"], tmp_path / "runs"))


@pytest.mark.slow
def test_a_stopped_proof_leaves_nothing_behind(copy: Path) -> None:
    process = started(copy, "base=HEAD", "experiments=quick")
    end = time.monotonic() + 120
    while not trains(copy) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    running = trains(copy)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert running
    assert process.returncode == -signal.SIGINT
    assert err == "prove: stopped by SIGINT\n"
    assert cleaned_up(copy)
