"""k steps + resume + (n - k) steps = n steps, bit for bit, in new processes, with workers, generator, discriminator."""

import json
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from swaplab.runs.weights import load_weights
from swaplab.training.checkpoint import STATE, load_checkpoint

GAN = (
    "discriminator=per_identity",
    "discriminator.width=0.1",
    "loss/adversarial=lsgan",
    "mask=learned",
    "workers=2",
)


Train = Callable[..., Path]
Process = Callable[..., Any]


@pytest.fixture
def train(process: Process, tiny: list[str]) -> Train:
    """Trains to the end of a session in a process of its own; returns the run's folder."""

    def to_the_end(*more: str) -> Path:
        done = process("train", *tiny, *GAN, *more)
        assert done.wait() == 0, done.out + done.err
        return Path(done.out.strip().splitlines()[-1].rsplit(": ", 1)[-1])

    return to_the_end


def rows(run: Path) -> list[dict[str, float]]:
    """All rows without what is measured by the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "train/images_per_second"} for x in lines]


def assert_equal(a: object, b: object, where: str = "state") -> None:
    """Bit equality of nested containers."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert set(a) == set(b), where  # what is read of safetensors has no order
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def assert_same_run(one: Path, other: Path) -> None:
    states = [load_checkpoint(run / "checkpoints/last.ckpt") for run in (one, other)]
    for state in states:
        del state["hyper_parameters"]  # the config, with the name of the run
        del state["loops"]  # Lightning's counters of this and that attempt
    assert_equal(*states)
    for name in ("final.safetensors", "best.safetensors"):
        assert_equal(load_weights(one / "checkpoints" / name), load_weights(other / "checkpoints" / name))
    assert rows(one) == rows(other)


def test_a_resumed_run_is_the_straight_run(train: Train) -> None:
    straight = train("run_id=straight")
    # 28 images are not a multiple of anything reported: the meter's sums must survive too
    interrupted = train("run_id=parts", "budget.session_images=28")
    assert json.loads((interrupted / "run.json").read_text())["status"] == "interrupted"
    assert load_checkpoint(interrupted / "checkpoints/last.ckpt")[STATE]["counters"]["images_seen"] == 32
    resumed = train("run_id=parts")
    assert resumed == interrupted
    record = json.loads((resumed / "run.json").read_text())
    assert record["status"] == "complete"
    assert len(record["sessions"]) == 2
    assert record["warnings"] == []
    assert_same_run(straight, resumed)


def test_a_finished_run_is_left_alone(train: Train) -> None:
    run = train()
    before = (run / "run.json").read_bytes()
    assert train() == run
    assert (run / "run.json").read_bytes() == before


OFTEN = ("every.checkpoint=8", "every.report=8")


def test_three_kills_lose_nothing(process: Process, train: Train, tiny: list[str]) -> None:
    more = ("budget.images=400", *OFTEN)
    straight = train("run_id=straight", *more)
    metrics = straight.parent / "killed" / "metrics.jsonl"
    for lines in (2, 15, 30):
        run = process("train", *tiny, *GAN, "run_id=killed", *more)
        run.until(lambda lines=lines: metrics.exists() and metrics.read_text().count("\n") >= lines)
        run.kill(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert_same_run(straight, train("run_id=killed", *more))


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(process: Process, train: Train, tiny: list[str]) -> None:
    more = ("budget.images=2000", *OFTEN)
    started = time.perf_counter()
    train("run_id=timing", "budget.images=8")
    start = time.perf_counter() - started
    straight = train("run_id=straight", *more)
    draw = random.Random(0)
    for _ in range(20):
        run = process("train", *tiny, *GAN, "run_id=killed", *more)
        time.sleep(start * draw.uniform(0.3, 1.4))
        with suppress(ProcessLookupError):  # it was faster
            run.kill(signal.SIGKILL)
        run.wait()
    assert_same_run(straight, train("run_id=killed", *more))


def test_sigterm_saves_and_says_so(process: Process, tiny: list[str]) -> None:
    never = ("every.checkpoint=0", "every.sample=0", "every.validate=0")
    run = process("train", *tiny, *GAN, "run_id=asked", "budget.images=100000", *never)
    metrics = Path(next(w for w in tiny if w.startswith("runs=")).removeprefix("runs=")) / "quick/asked/metrics.jsonl"
    run.until(lambda: metrics.exists() and metrics.stat().st_size)
    run.kill(group=False)
    assert run.wait() == -signal.SIGTERM
    assert "interrupted: stopped by SIGTERM" in run.out
    assert load_checkpoint(metrics.parent / "checkpoints/last.ckpt")[STATE]["counters"]["images_seen"] > 0
