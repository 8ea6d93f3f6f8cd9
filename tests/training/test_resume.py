"""k steps + resume + (n - k) steps = n steps, bit for bit, in new processes, with workers, generator, discriminator."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from swaplab.training.checkpoint import load_checkpoint, load_weights

GAN = (
    "discriminator=per_identity",
    "discriminator.width=0.1",
    "adversarial=lsgan",
    "mask=learned",
    "workers=2",
)


def words(tiny: list[str], *more: str) -> list[str]:
    return [sys.executable, "-m", "swaplab.apps.train", *tiny, *GAN, *more]


def train(tiny: list[str], *more: str) -> Path:
    done = subprocess.run(words(tiny, *more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip().splitlines()[-1].rsplit(": ", 1)[-1])


def rows(run: Path) -> list[dict[str, float]]:
    """All rows without what is measured by the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "train/images_per_second"} for x in lines]


def assert_equal(a: object, b: object, where: str = "state") -> None:
    """Bit equality of nested containers."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(a) == list(b), where
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
    assert_equal(load_checkpoint(one / "checkpoints/last.ckpt"), load_checkpoint(other / "checkpoints/last.ckpt"))
    for name in ("final.safetensors", "best.safetensors"):
        assert_equal(load_weights(one / "checkpoints" / name), load_weights(other / "checkpoints" / name))
    assert rows(one) == rows(other)


def test_a_resumed_run_is_the_straight_run(tiny: list[str]) -> None:
    straight = train(tiny, "run_id=straight")
    # 28 images are not a multiple of anything reported: the meter's sums must survive too
    interrupted = train(tiny, "run_id=parts", "budget.session_images=28")
    assert json.loads((interrupted / "run.json").read_text())["status"] == "interrupted"
    assert load_checkpoint(interrupted / "checkpoints/last.ckpt")["counters"]["images_seen"] == 32
    resumed = train(tiny, "run_id=parts")
    assert resumed == interrupted
    record = json.loads((resumed / "run.json").read_text())
    assert record["status"] == "complete"
    assert len(record["sessions"]) == 2
    assert record["warnings"] == []
    assert_same_run(straight, resumed)


def test_a_finished_run_is_left_alone(tiny: list[str]) -> None:
    run = train(tiny)
    before = (run / "run.json").read_bytes()
    assert train(tiny) == run
    assert (run / "run.json").read_bytes() == before


def kill_and_resume(tiny: list[str], delays: list[float]) -> Path:
    """Kill the training process after each delay, resume each time, and let the last one end."""
    more = ("run_id=killed", "every.checkpoint=8", "every.report=8")
    for delay in delays:
        process = subprocess.Popen(words(tiny, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return train(tiny, *more)


def seconds_to_start(tiny: list[str]) -> float:
    started = time.perf_counter()
    train(tiny, "run_id=timing", "budget.images=8")
    return time.perf_counter() - started


def test_three_kills_lose_nothing(tiny: list[str]) -> None:
    tiny = [*tiny, "budget.images=400"]
    start = seconds_to_start(tiny)
    straight = train(tiny, "run_id=straight", "every.checkpoint=8", "every.report=8")
    killed = kill_and_resume(tiny, [start * f for f in (0.9, 1.0, 1.1)])
    assert_same_run(straight, killed)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(tiny: list[str]) -> None:
    tiny = [*tiny, "budget.images=2000"]
    start = seconds_to_start(tiny)
    straight = train(tiny, "run_id=straight", "every.checkpoint=8", "every.report=8")
    draw = random.Random(0)
    killed = kill_and_resume(tiny, [start * draw.uniform(0.3, 1.4) for _ in range(20)])
    assert_same_run(straight, killed)


def test_sigterm_saves_and_says_so(tiny: list[str]) -> None:
    more = (
        "run_id=asked",
        "budget.images=100000",
        "every.checkpoint=0",
        "every.sample=0",
        "every.validate=0",
    )
    process = subprocess.Popen(words(tiny, *more), stdout=subprocess.PIPE, text=True)
    metrics = Path(next(w for w in tiny if w.startswith("runs=")).removeprefix("runs=")) / "quick/asked/metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.stat().st_size:
            break
        time.sleep(0.1)
    process.terminate()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == -signal.SIGTERM
    assert "interrupted: stopped by SIGTERM" in output
    assert load_checkpoint(metrics.parent / "checkpoints/last.ckpt")["counters"]["images_seen"] > 0
