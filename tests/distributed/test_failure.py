"""What becomes of a run of two processes when one dies, raises, stalls or is asked to stop; and that it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from swaplab.runs.record import RunRecord
from swaplab.training.checkpoint import load_checkpoint

LIMIT = 60  # seconds in which a run must have ended

TROUBLE = '''
import os
from swaplab.collectives import rank
from swaplab.losses.reconstruction import L1

class Trouble(L1):
    """Fails on rank 1 as soon as a file tells it to."""
    def __call__(self, step):
        if rank() == 1 and os.path.exists(os.environ["TROUBLE"]):
            raise ValueError("made to fail")
        return super().__call__(step)
'''

# How a session is started: alone, as two ranks of our own, or as two of torchrun's.
ALONE, TWO = "trainer.accelerator=cpu", "trainer=ddp_cpu"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "swaplab", "train", TWO)
IMAGES = 800

Process = Callable[..., Any]
End = Callable[["Lab"], None]


def children_of(pid: int) -> list[int]:
    """The processes that one has started, the oldest first."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.1)


class Lab:
    """Starts and continues one run, named at will, whose loss can be told to fail on rank 1."""

    def __init__(self, process: Process, tiny: list[str], place: Path) -> None:
        self.process, self.place = process, place
        (place / "mylab").mkdir()
        (place / "mylab/__init__.py").write_text(TROUBLE)
        self.trouble = place / "trouble"
        self.environment = {"SWAPLAB_PACKAGES": "mylab", "TROUBLE": str(self.trouble)}
        self.words = [
            *(*tiny, "trainer.progress=false", "loss.reconstruction._target_=mylab.Trouble"),
            *("trainer.precision=64-true", f"budget.images={IMAGES}", "every.checkpoint=16", "every.validate=400"),
        ]
        self.runs = Path(next(w for w in tiny if w.startswith("runs=")).removeprefix("runs=")) / "quick"
        self.folder = self.runs / "two"

    def begin(self, how: str, *more: str, run_id: str = "two") -> Any:
        words = [how, *self.words, f"run_id={run_id}", *more]
        return self.process("train", *words, env=self.environment, cwd=self.place)

    def begin_torchrun(self) -> "Torchrun":
        environment = os.environ | self.environment | {"PYTHONPATH": f"{self.place}:{os.environ.get('PYTHONPATH', '')}"}
        return Torchrun([sys.executable, *TORCHRUN, *self.words, "run_id=two"], environment)

    def finish(self, how: str, *more: str, run_id: str = "two") -> str:
        session = self.begin(how, *more, run_id=run_id)
        session.wait(300)
        assert f"run record: {self.runs / run_id}" in session.out, session.err
        return str(session.out)

    def under_way(self, how: str, *more: str) -> tuple[Any, int, int]:
        """A session that has reported twice, and the processes of its rank 0 and its rank 1."""
        before = (self.folder / "run.json").read_bytes() if self.folder.exists() else b""
        session = self.begin_torchrun() if how == "torchrun" else self.begin(how, *more)
        wait_for(lambda: self._beyond(before), 300, "it does not begin")
        count = self._reports()
        wait_for(lambda: self._reports() >= count + 2, 300, "it does not report")
        main = RunRecord.load(self.folder).facts["sessions"][-1]["pid"]
        others = [p for p in children_of(session.pid if how == "torchrun" else main) if p != main]
        return session, main, others[0]

    def _beyond(self, before: bytes) -> bool:
        return (self.folder / "run.json").exists() and (self.folder / "run.json").read_bytes() != before

    def _reports(self) -> int:
        path = self.folder / "metrics.jsonl"
        return path.read_text().count("train/progress") if path.exists() else 0


class Torchrun:
    """A session that torchrun starts; it cannot be forked from the warm server."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(words, env=environment, **pipes)  # type: ignore[call-overload]
        self.pid = self._process.pid
        self.out = self.err = ""

    def wait(self, timeout: float) -> int:
        self.out, self.err = self._process.communicate(timeout=timeout)
        return int(self._process.returncode)


@pytest.fixture
def lab(process: Process, tiny: list[str], tmp_path: Path) -> Lab:
    return Lab(process, tiny, tmp_path)


def rows(run: Path) -> list[dict[str, float]]:
    """What a run has told, without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "train/images_per_second"} for line in lines]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return leaves(load_checkpoint(run / "checkpoints/last.ckpt"))


def leaves(node: object, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(node, torch.Tensor):
        return {path: node.double()}
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    return {k: v for key, value in items for k, v in leaves(value, f"{path}.{key}").items()}


def ending(session: Any) -> tuple[int, str, str]:
    return session.wait(LIMIT), session.out, session.err


def a_rank_fails(lab: Lab) -> None:
    session, _, other = lab.under_way(TWO)
    lab.trouble.touch()
    code, output, complaint = ending(session)
    assert code == 1
    assert output.count("failed: rank 1 ended: ValueError: made to fail; run record:") == 1, complaint
    assert "ValueError: made to fail" in complaint  # rank 1's traceback
    assert "gloo" not in complaint  # rank 0 has nothing to add
    assert gone(other)
    lab.trouble.unlink()


def rank_1_is_killed(lab: Lab) -> None:
    session, _, other = lab.under_way(TWO)
    os.kill(other, signal.SIGKILL)
    code, output, complaint = ending(session)
    assert code == 1
    assert "failed: rank 1 was killed by SIGKILL; run record:" in output
    assert "Traceback" not in complaint
    record = RunRecord.load(lab.folder)
    assert record.status == "failed"
    assert record.facts["exit_reason"] == "rank 1 was killed by SIGKILL"


def rank_0_is_killed(lab: Lab) -> None:
    session, main, other = lab.under_way(TWO)
    os.kill(main, signal.SIGKILL)
    wait_for(lambda: gone(other), LIMIT, "rank 1 has survived rank 0")
    ending(session)
    record = RunRecord.load(lab.folder)
    assert record.facts["status"] == "failed"
    assert record.facts["exit_reason"] == "rank 0 is gone"


def rank_0_is_asked_to_stop(lab: Lab) -> None:
    session, main, other = lab.under_way("torchrun")
    os.kill(main, signal.SIGTERM)
    code, output, complaint = ending(session)
    assert code == 1, complaint  # what torchrun makes of every code
    assert output.count("interrupted: stopped by SIGTERM; run record:") == 1
    assert gone(other)


@pytest.mark.parametrize(
    "ends",
    [
        (a_rank_fails, rank_0_is_killed),
        pytest.param((rank_1_is_killed, rank_0_is_asked_to_stop), marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_after_every_end_and_with_any_number_of_ranks(lab: Lab, ends: tuple[End, End]) -> None:
    """One rank, then two that end before their time, then one again: in the end the uninterrupted run on one rank."""
    assert "interrupted: this session's share" in lab.finish(ALONE, "budget.session_images=24")
    for end in ends:
        end(lab)
    assert lab.finish(ALONE).startswith("complete")
    record = RunRecord.load(lab.folder)
    assert len([s["ended"] for s in record.facts["sessions"]]) == 2 + len(ends)
    assert "ranks was 1, is 2" in record.facts["warnings"][0]
    assert record.facts["cost"]["images_per_second"] > 0
    lab.finish(ALONE, run_id="straight")
    many, straight = (tensors(lab.runs / name) for name in ("two", "straight"))
    assert list(many) == list(straight)
    assert max(float((many[name] - straight[name]).abs().max()) for name in many) < 1e-9
    for row, expected in zip(rows(lab.folder), rows(lab.runs / "straight"), strict=True):
        assert row == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_stalls_ends_the_run(lab: Lab, rank: int) -> None:
    session, main, other = lab.under_way(TWO, "budget.images=1000000")
    stalled, waiting = (main, other) if rank == 0 else (other, main)
    os.kill(stalled, signal.SIGSTOP)
    try:
        wait_for(lambda: gone(waiting), LIMIT, "the other waits for ever")
        record = RunRecord.load(lab.folder)
        assert record.facts["status"] == "failed"
        expected = "rank 0 is gone" if rank == 0 else "rank 1 sent no heartbeat for 20 seconds"
        assert record.facts["exit_reason"] == expected
    finally:
        if not gone(stalled):
            os.kill(stalled, signal.SIGKILL)
        session.wait()
