"""SIGTERM and SIGINT to a whole process group: what can be saved is saved, nobody is left over."""

import itertools
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Process = Callable[..., Any]
ENDLESS = ("budget.images=10000000", "every.checkpoint=0", "every.validate=0", "every.sample=0")
WAYS = {
    "alone": (),
    "sweep": ("-m", "seed=1,2", "hydra.launcher.slots={ranks}"),
    "ablation": ("encoder", "ablation.seeds=[1]", "hydra.launcher.slots={ranks}"),
}
ALL = list(itertools.product(WAYS, ("SIGTERM", "SIGINT"), (0, 1, 2), (1, 2)))
# What costs one or two starts of Python; where there are two ranks below another process, that is `make test-all`.
QUICK = [
    ("alone", "SIGTERM", 1, 1),
    ("alone", "SIGINT", 2, 1),
    ("alone", "SIGTERM", 2, 2),
    ("sweep", "SIGTERM", 2, 1),
    ("ablation", "SIGINT", 1, 1),
]


def runs_of(tiny: list[str]) -> Path:
    return Path(next(word for word in tiny if word.startswith("runs=")).removeprefix("runs="))


def reports(tiny: list[str]) -> int:
    return sum(file.read_text().count("train/progress") for file in runs_of(tiny).rglob("metrics.jsonl"))


def members(group: int) -> list[int]:
    """The living processes whose parents, or theirs, began in a process group; also those in sessions of their own."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = (int(fields[1]), int(fields[2]), fields[0])
    found = {pid for pid, (_, its_group, state) in parents.items() if its_group == group and state != "Z"}
    while more := {pid for pid, (parent, _, state) in parents.items() if parent in found and state != "Z"} - found:
        found |= more
    return sorted(found)


def all_gone(pids: list[int], patience: float = 10.0) -> bool:
    until = time.monotonic() + patience
    while left := [pid for pid in pids if alive(pid)]:
        if time.monotonic() > until:
            raise AssertionError(f"still there: {left}")
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("way", "name", "workers", "ranks"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in ALL],
)
def test_a_run_saves_and_dies_of_the_signal(
    process: Process, tiny: list[str], tmp_path: Path, way: str, name: str, workers: int, ranks: int
) -> None:
    words = [word for word in tiny if not word.startswith("workers=")] + [f"workers={workers}", *ENDLESS]
    words += ["trainer=ddp_cpu", "trainer.progress=false"] if ranks == 2 else []
    command = ["ablation", "run"] if way == "ablation" else ["train"]
    run = process(*command, *(word.format(ranks=ranks) for word in WAYS[way]), *words, cwd=tmp_path)
    run.until(lambda: reports(tiny) > 1)
    everybody = members(run.pid)
    run.kill(signal.Signals[name])
    assert run.wait() == -signal.Signals[name], run.err
    assert "Traceback" not in run.out + run.err
    assert f"swaplab {command[0]}: stopped by {name}; the same command resumes\n" in run.err
    [file] = runs_of(tiny).rglob("run.json")
    record = json.loads(file.read_text())
    told = name if way == "alone" else "SIGTERM"  # which is what jobs are asked with
    assert (record["status"], record["exit_reason"]) == ("interrupted", f"stopped by {told}")
    assert (file.parent / "checkpoints" / "last.ckpt").exists()
    assert len(everybody) >= 1 + workers * ranks
    assert all_gone(everybody)


def test_at_any_moment_from_the_first_on(process: Process, tiny: list[str]) -> None:
    """Each attempt is ended somewhere in start, training, validation or a checkpoint; together they come to the end."""
    words = [*tiny, "run_id=much", "budget.images=160", "every.validate=4", "every.checkpoint=4", "every.report=4"]
    draw = random.Random(7)
    folder = runs_of(tiny) / "quick" / "much"
    for attempt in range(6):
        number = draw.choice((signal.SIGTERM, signal.SIGINT))
        run = process("train", *words)
        if attempt % 2:
            before = reports(tiny)
            run.until(lambda before=before: reports(tiny) > before)
        time.sleep(draw.uniform(0, 0.4))
        run.kill(number)
        if attempt == 3:
            run.kill(signal.SIGTERM)  # as launchers do
        assert run.wait() == -number, run.err
        assert "Traceback" not in run.err
        if (folder / "run.json").exists():
            record = json.loads((folder / "run.json").read_text())
            assert record["status"] == "interrupted", record
            assert not list(folder.rglob("*.tmp"))
    done = process("train", *words)
    assert done.wait() == 0, done.err
    assert json.loads((folder / "run.json").read_text())["status"] == "complete"


def test_ranks_that_have_not_met_yet(process: Process, tiny: list[str]) -> None:
    """The second one dies while it imports; the first has heard the same, and does not wait for it."""
    run = process("train", *tiny, "trainer=ddp_cpu", "trainer.progress=false", *ENDLESS)
    run.until(lambda: len(members(run.pid)) == 2)
    everybody = members(run.pid)
    run.kill(signal.SIGTERM)
    assert run.wait(60) in (-signal.SIGTERM, 128 + signal.SIGTERM), run.out + run.err
    assert "Traceback" not in run.err
    [file] = runs_of(tiny).rglob("run.json")
    assert json.loads(file.read_text())["status"] == "interrupted"
    assert all_gone(everybody)


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.slow)])
def test_rendering_leaves_nothing(process: Process, tmp_path: Path, name: str) -> None:
    cache = tmp_path / "cache"
    words = ["output=people", f"data.cache={cache}", "data.workers=2", "video.seconds=0"]
    run = process("render", *words, cwd=tmp_path)
    run.until(lambda: len(members(run.pid)) >= 3 and any(cache.rglob("*")))
    everybody = members(run.pid)
    run.kill(signal.Signals[name])
    assert run.wait() == -signal.Signals[name], run.err
    said = rf"(rendering faces: [\d,]+\n)?swaplab render: stopped by {name}; no output was written\n"
    assert re.fullmatch(said, run.err)  # the rendering processes are there before the first line is
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert all_gone(everybody)


def test_workers_end_with_a_run_that_is_killed(process: Process, tiny: list[str]) -> None:
    run = process("train", *tiny, "workers=2", *ENDLESS)
    run.until(lambda: reports(tiny) > 0)
    everybody = members(run.pid)
    run.kill(signal.SIGKILL, group=False)
    assert run.wait() == -signal.SIGKILL
    assert all_gone(everybody)


def test_a_share_of_the_budget_is_a_planned_end(process: Process, tiny: list[str]) -> None:
    run = process("train", *tiny, "budget.session_images=16")
    assert run.wait() == 0, run.err
    assert "interrupted: this session's share of the budget is spent" in run.out


def test_a_command_that_reads_is_ended_too(process: Process, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.yaml")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run = process("train", f"resolved={tmp_path / 'never.yaml'}")
        time.sleep(0.3)
        run.kill(number)
        assert run.wait() == -number
        assert "Traceback" not in run.err
