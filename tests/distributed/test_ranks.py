"""Two ranks of N/2 equal one rank of N, through Lightning: networks, moments, average, losses; odd batches included."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from swaplab.training.checkpoint import STATE, load_checkpoint

STEPS = 20


Train = Callable[..., Path]


@pytest.fixture
def train(process: Callable[..., Any], tiny: list[str]) -> Train:
    """Trains a run of a name in float64; returns its folder."""

    def to_the_end(name: str, *more: str) -> Path:
        done = process("train", *tiny, f"run_id={name}", "trainer.precision=64-true", *more)
        assert done.wait(300) == 0, done.out + done.err
        runs = Path(next(w for w in tiny if w.startswith("runs=")).removeprefix("runs="))
        return runs / "quick" / name

    return to_the_end


def leaves(node: object, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(node, torch.Tensor):
        return {path: node}
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    return {k: v for key, value in items for k, v in leaves(value, f"{path}.{key}").items()}


def largest_difference(one: Path, other: Path) -> float:
    a, b = (leaves(load_checkpoint(run / "checkpoints/last.ckpt")) for run in (one, other))
    assert a.keys() == b.keys()
    assert any("exp_avg_sq" in name for name in a)
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@pytest.mark.parametrize("batch", [pytest.param(4, marks=pytest.mark.slow), 5])
def test_two_ranks_equal_one(train: Train, batch: int) -> None:
    more = [f"batch_size={batch}", f"budget.images={STEPS * batch * 2}", "every.report=1"]
    one = train("one", *more, "trainer.accelerator=cpu")
    two = train("two", *more, "trainer=ddp_cpu", "trainer.progress=false")
    assert load_checkpoint(two / "checkpoints/last.ckpt")[STATE]["counters"]["steps"] == STEPS
    assert largest_difference(one, two) < 1e-9
    losses = [
        [json.loads(x)["loss/generator/reconstruction"] for x in (run / "metrics.jsonl").read_text().splitlines()[1:]]
        for run in (one, two)
    ]
    assert len(losses[0]) == STEPS
    assert losses[0] == pytest.approx(losses[1], abs=1e-9)
    sessions = json.loads((two / "run.json").read_text())["sessions"]
    assert len(sessions) == 1


@pytest.mark.slow
def test_the_check_can_fail(train: Train) -> None:
    """Batch statistics of one rank are not those of two: plain batch norm shows in the weights."""
    more = [f"budget.images={STEPS * 8}", "norm=batch"]
    one = train("one", *more, "trainer.accelerator=cpu")
    two = train("two", *more, "trainer=ddp_cpu", "trainer.progress=false")
    assert largest_difference(one, two) > 1e-6
