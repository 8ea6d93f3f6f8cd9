"""What a Tab offers, asked in the shells themselves."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swaplab.cli.candidates import candidates
from swaplab.cli.main import COMMANDS
from swaplab.cli.shells import SCRIPTS
from swaplab.config import tree

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs and a file, and a program swaplab on the path."""
    for label in ("quick/s1-0123", "norms/s2-batch"):
        (tmp_path / "runs" / label).mkdir(parents=True)
        (tmp_path / "runs" / label / "run.json").write_text("{}")
    (tmp_path / "clip one.mp4").touch()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "swaplab"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m swaplab "$@"\n')
    program.chmod(0o755)
    source = Path(tree.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", str(source))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], list(COMMANDS)),
        (["ev"], ["evaluate"]),
        (["evaluate", "spl"], ["split="]),
        (["evaluate", "split="], ["split=val", "split=test"]),
        (["evaluate", "split=val", "s"], []),
        (["evaluate", "run="], ["run=last", "run=norms/s2-batch", "run=quick/s1-0123"]),
        (["report", "run=last", "run=n"], ["run=norms/s2-batch"]),
        (["runs", "di"], ["diff"]),
        (["runs", "diff", "q"], ["quick/s1-0123"]),
        (["runs", "list", "--"], ["--csv", "--json"]),
        (["runs", "list", "so"], ["sort="]),
        (["runs", "unfinished", "status=f"], ["status=failed"]),
        (["runs", "watch", ""], ["runs="]),
        (["runs", "remove", "y"], ["yes=true"]),
        (["ablation", "r"], ["run", "report"]),
        (["ablation", "run", "bottleneck_"], ["bottleneck_conv", "bottleneck_side"]),
        (["ablation", "report", "norm", "mixed"], ["mixed_precision="]),
        (["train", "generator/code_match=t"], ["generator/code_match=transport"]),
        (["train", "norm=none,b"], ["norm=none,batch"]),
        (["train", "norm=group", "norm.g"], ["norm.groups="]),
        (["train", "norm.g"], []),
        (["train", "+norm.g"], []),
        (["train", "~loss/eye"], ["~loss/eyes="]),
        (["train", "generator/bottleneck=spatial", "generator.bottleneck."], ["generator.bottleneck.side="]),
        (["train", "generator=unet", "generator/"], []),
        (["train", "logger=[wandb,c"], ["logger=[wandb,csv"]),
        (["train", "logger=c"], ["logger=csv"]),
        (["train", "trainer.precision=b"], ["trainer.precision=bf16-mixed"]),
        (["train", "budget.im"], ["budget.images="]),
        (["options", "loss/adversarial", "ls"], ["lsgan"]),
        (["completion", ""], list(SCRIPTS)),
        (["convert", "input=cl"], ["input=clip one.mp4"]),
        (["verify", "ru"], ["runs/"]),
        (["render", "data/pro"], ["data/profile="]),
        (["nonsense", ""], []),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_may_come_next(words: list[str], expected: list[str]) -> None:
    assert candidates(words) == expected


def test_every_group_and_option_is_offered() -> None:
    for group, names in tree.groups().items():
        if group != "ablation":
            assert f"{group}=" in candidates(["train", group])
            assert candidates(["train", f"{group}="]) == [f"{group}={name}" for name in names]


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


CASES = [
    ("swaplab eval", ["evaluate"]),
    ("swaplab train generator/code_match=t", ["transport"]),
    ("swaplab evaluate run=q", ["quick/s1-0123"]),
    ("swaplab ablation run bottleneck_s", ["bottleneck_side"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_bash_completes(here: Path, line: str, expected: list[str]) -> None:
    asked = f"""
    source <(swaplab completion bash)
    COMP_LINE={line!r} COMP_POINT={len(line)}
    _swaplab 2>/dev/null
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([shell("bash"), "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_fish_completes(here: Path, line: str, expected: list[str]) -> None:
    asked = f"swaplab completion fish | source; complete -C {line!r}"
    done = subprocess.run([shell("fish"), "--no-config", "-c", asked], capture_output=True, text=True, check=True)
    assert [word.partition("=")[2] or word for word in done.stdout.split()] == expected, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_a_tab_completes_in_a_terminal(here: Path, name: str, line: str, expected: list[str]) -> None:
    words = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}[name]
    child, terminal = pty.fork()
    if not child:
        os.environ.update({"TERM": "dumb", "PS1": "$ "})
        os.execv(shell(name), [name, *words])
    said = b""

    def until(text: str, seconds: float = 60.0) -> None:
        nonlocal said
        end = time.monotonic() + seconds
        while text.encode() not in said:
            assert time.monotonic() < end, said.decode(errors="replace")
            if select.select([terminal], [], [], 0.1)[0]:
                said += os.read(terminal, 4096)

    try:
        os.write(terminal, f'eval "$(swaplab completion {name})"; echo rea""dy\n'.encode())
        until("ready")
        said = b""
        os.write(terminal, f"{line}\t".encode())
        until(line.rpartition("=")[0] + "=" * ("=" in line) + expected[0] if "=" in line else expected[0])
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def test_a_shell_that_is_not_known_is_said(command: Command) -> None:
    for words in ([], ["tcsh"], ["bash", "zsh"]):
        code, _, err = command("completion", *words)
        assert (code, "bash | zsh | fish" in err) == (2, True)
