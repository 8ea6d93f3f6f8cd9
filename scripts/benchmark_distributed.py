"""Compare three ways to sum gradients over two ranks: our single all-reduce per updated network, and the hooks of
DistributedDataParallel with unused parameters, with our shares of the global loss or with each rank's own mean.

    OMP_NUM_THREADS=1 python scripts/benchmark_distributed.py [experiment=faceswap_gan_corrected size=tiny ...]

Numbers: in float64, with the same start and batches, for an even and an odd batch, the largest difference of any weight
from one process with the whole batch. Time: in float32, alternating the ways within one run, the median step of each
round.
"""

import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hydra
import lightning.pytorch as pl
import torch
import torch.multiprocessing as mp
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.utils.data import DataLoader

from swaplab.config.border import checked
from swaplab.config.read import resolved
from swaplab.training.assemble import build_module, masks_of
from swaplab.training.distributed import SummedGradients
from swaplab.training.module import SwapModule

WAYS = ("ours", "hooks", "hooks, each rank's mean")
STEPS, WARM, ROUNDS = 4, 2, 4
BATCH = 4
RANKS = 2


class OwnGroup(SummedGradients):
    """Our strategy with processes that this script starts itself."""

    def __init__(self) -> None:
        DDPStrategy.__init__(self, process_group_backend="gloo")

    def _configure_launcher(self) -> None:
        self._launcher = None

    def setup_environment(self) -> None:
        DDPStrategy.setup_environment(self)


class Clock(pl.Callback):
    """Measures the seconds of every step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._begun = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self._begun)


def batches(config: dict[str, Any], module: SwapModule, rows: slice, count: int) -> list[dict[str, Any]]:
    """Random batches of two identities; ``rows`` are this rank's rows of each of the batches in a step."""
    size, parts = config["batch_size"], module.parts
    draw = torch.Generator().manual_seed(0)

    def pictures(channels: int) -> Tensor:
        whole = torch.randint(0, 256, (parts, size, channels, 64, 64), generator=draw, dtype=torch.uint8)
        return whole[:, rows].flatten(0, 1)

    def one(step: int) -> dict[str, Any]:
        faces = {n: {"input": pictures(3), "target": pictures(3)} for n in module.identities}
        masks = masks_of(config)
        for of in faces.values() if masks else ():
            of["masks"] = pictures(len(masks))
        positions = torch.arange(parts * size).reshape(parts, size)[:, rows].flatten() + step * parts * size
        return {"position": positions, "faces": faces}

    return [one(step) for step in range(count)]


@contextmanager
def gradients_by(way: str, module: SwapModule, share: float) -> Iterator[None]:
    """A context in which the module leaves its gradients to the hooks, scaled for their averaging over ranks."""
    if way == "ours":
        yield
        return
    scale = RANKS if way == "hooks" else 1 / share
    backward = module.manual_backward
    with patch("swaplab.training.updating.sum_gradients", lambda parameters: None):
        module.on_train_batch_start = lambda *_: None  # which would take the gradients from the hooks
        module.manual_backward = lambda loss, *a, **k: backward(loss * scale, *a, **k)  # type: ignore[method-assign]
        yield


def train(words: list[str], way: str | None, rank: int, steps: int) -> tuple[Tensor, list[float]]:
    """All weights after ``steps`` steps by ``way`` (None: one process, whole batch), and the seconds of each step."""
    warnings.filterwarnings("ignore", module="lightning.*")
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.ERROR)
    with hydra.initialize_config_module("swaplab.conf", version_base="1.3"):
        config = checked(resolved(hydra.compose("train", words)))
    size = config["batch_size"]
    first = size - size // RANKS
    rows = slice(None) if way is None else (slice(0, first), slice(first, size))[rank]
    share = len(range(size)[rows]) / size
    module = build_module(config, ("A", "B"), 64, total_images=10**6)
    strategies = {None: "auto", "ours": OwnGroup()} if way in (None, "ours") else {}
    clock = Clock()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1 if way is None else RANKS,
        strategy=strategies.get(way) or DDPStrategy(process_group_backend="gloo", find_unused_parameters=True),
        precision=config["trainer"]["precision"],
        max_epochs=1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        callbacks=[clock],
    )
    with gradients_by(way or "ours", module, share):
        trainer.fit(module, DataLoader(batches(config, module, rows, steps), batch_size=None))
    weights = torch.cat([p.detach().double().reshape(-1) for p in module.networks.parameters()])
    return weights, clock.seconds


def work(rank: int, place: str, words: list[str]) -> None:
    torch.set_num_threads(1)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": RANKS, "LOCAL_WORLD_SIZE": RANKS, "GROUP_RANK": 0}
    os.environ.update({"TORCHELASTIC_RUN_ID": "benchmark", **{key: str(value) for key, value in numbers.items()}})
    double = [*words, "trainer.precision=64-true"]
    found: dict[str, Any] = {
        f"{way} {size}": train([*double, f"batch_size={size}"], way, rank, STEPS)[0]
        for way in WAYS
        for size in (BATCH, BATCH - 1)
    }
    single = [*words, "trainer.precision=32-true", f"batch_size={BATCH}"]
    rounds = [
        {way: statistics.median(train(single, way, rank, WARM + STEPS)[1][WARM:]) for way in WAYS[:2]}
        for _ in range(ROUNDS)
    ]
    torch.save(found | {"rounds": rounds}, f"{place}/{rank}.pt")


def main() -> None:
    words = ["experiment=faceswap_gan_corrected", "size=tiny", *sys.argv[1:]]
    torch.set_num_threads(1)
    alone = {
        size: train([*words, "trainer.precision=64-true", f"batch_size={size}"], None, 0, STEPS)[0]
        for size in (BATCH, BATCH - 1)
    }
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    with tempfile.TemporaryDirectory() as place:
        mp.spawn(work, (place, words), nprocs=RANKS)
        found = torch.load(Path(place) / "0.pt")
    print(f"{' '.join(words)}: {len(alone[BATCH])} parameters, {RANKS} ranks over gloo, {torch.__version__}\n")
    print(f"| way | {BATCH} faces, 2 + 2 | {BATCH - 1} faces, 2 + 1 | seconds per step (median of {ROUNDS} rounds) |")
    print("|---|---|---|---|")
    for way in WAYS:
        differences = [float((found[f"{way} {size}"] - alone[size]).abs().max()) for size in (BATCH, BATCH - 1)]
        seconds = [r[way] for r in found["rounds"] if way in r]
        shown = f"{statistics.median(seconds):.3f}" if seconds else ""
        print(f"| {way} | {differences[0]:.1e} | {differences[1]:.1e} | {shown} |")
    ratios = sorted(r["hooks"] / r["ours"] for r in found["rounds"])
    print(f"\nhooks / ours, by round: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
