"""Image pools and dropout inside whole runs: two ranks equal one, and a resumed run equals an uninterrupted one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from swaplab.training.checkpoint import load_checkpoint

Process = Callable[..., Any]

CYCLEGAN = ("experiment=cyclegan", "loss.real_or_fake.history.size=3")
# batch norm is of one rank, so it stays out where ranks are compared
PIX2PIX = ("experiment=pix2pix_conditional", "norm=instance")
SMALL = ("generator.width=0.07", "discriminator.width=0.1", "trainer.precision=64-true", "every.report=8")


def train(process: Process, tiny: list[str], name: str, *more: str) -> Path:
    own = [word for word in tiny if not word.startswith("generator.")]
    done = process("train", *own, *SMALL, *more, f"name={name}", "run_id=x")
    assert done.wait(300) == 0, done.out + done.err
    return Path(next(w for w in tiny if w.startswith("runs=")).removeprefix("runs=")) / name / "x/checkpoints/last.ckpt"


def leaves(node: object, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(node, torch.Tensor):
        return {path: node}
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    return {k: v for key, value in items for k, v in leaves(value, f"{path}.{key}").items()}


def unlike(one: Path, other: Path, tolerance: float) -> list[str]:
    """Tensors that differ by more than ``tolerance``, absolute or, for large ones such as moments, of their extreme."""
    a, b = leaves(load_checkpoint(one)), leaves(load_checkpoint(other))
    assert list(a) == list(b)
    scale = {name: max(1.0, float(value.abs().max())) if value.numel() else 1.0 for name, value in a.items()}
    return [name for name in a if float((a[name].double() - b[name].double()).abs().max()) > tolerance * scale[name]]


@pytest.mark.slow
@pytest.mark.parametrize("words", [CYCLEGAN, PIX2PIX], ids=["cyclegan", "pix2pix"])
def test_two_ranks_equal_one_and_parts_equal_the_whole(
    process: Process, tiny: list[str], words: tuple[str, ...]
) -> None:
    more = [*words, "batch_size=3", "budget.images=48"]
    one = train(process, tiny, "one", *more, "trainer.accelerator=cpu")
    stored = [name for name in leaves(load_checkpoint(one)) if name.startswith(".swaplab.memories.")]
    assert len(stored) == (2 if words is CYCLEGAN else 0)  # a pool for each direction
    two = train(process, tiny, "two", *more, "trainer=ddp_cpu", "trainer.progress=false")
    assert not unlike(one, two, 1e-7)
    train(process, tiny, "parts", *more, "trainer.accelerator=cpu", "budget.session_images=18")
    parts = train(process, tiny, "parts", *more, "trainer.accelerator=cpu")
    assert not unlike(one, parts, 0.0)
