"""Two ranks of N/2 equal one rank of N after 20 steps through Lightning, in all that a run consists of.

Whole systems, odd batches (so unequal shards): losses and summed gradients of every step, then weights, running
statistics, moments and the average. The processes are started once and train one system after the other.
"""

import logging
import os
import socket
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import lightning.pytorch as pl
import pytest
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from lightning.fabric.plugins.environments import TorchElasticEnvironment
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from swaplab.config.border import checked
from swaplab.config.read import resolved
from swaplab.experiment.data import load_data
from swaplab.networks.names import GENERATOR
from swaplab.training.assemble import build_module
from swaplab.training.distributed import SummedGradients
from swaplab.training.ema import EMA
from swaplab.training.launch import Ranks
from swaplab.training.layer_sync import SyncBatchNorms
from swaplab.training.module import SwapModule

STEPS = 20
TINY = ["data=facesets", "size=tiny", "batch_size=3", "workers=0", "trainer.precision=64-true"]
AUTOENCODER = ["experiment=quick", "norm=sync_batch"]
WHOLE_GAN = ["experiment=faceswap_gan_corrected", "attention_sites=[encoder.down3]"]
GAN = [*WHOLE_GAN, "loss/perceptual=none"]  # which is of single faces, and takes two thirds of the time
CRITIC = ["experiment=quick", "discriminator=per_identity", "loss/adversarial=wgan_gp", "updates.generator_every=3"]
PLAIN = ["experiment=quick", "norm=batch"]
PARTS = ["experiment=quick", "batch_size=5"]
NORM = 1e-3  # shorter than any gradient
CLIPPED = [
    *AUTOENCODER,
    f"optimizer.generator.clip.norm={NORM}",
    "optimizer.generator.groups=[{match: [norm], lr: 1e-4}]",
]
SYSTEMS = {
    "autoencoder": AUTOENCODER,
    "faceswap_gan": GAN,
    "faceswap_gan, batch norm": [*GAN, "norm=sync_batch"],
    "n_critic": CRITIC,
    "n_critic, 2018": ["experiment=wgan_gp_2018"],
    "plain, synchronised": PLAIN,
    "plain": PLAIN,
    "in parts": PARTS,
    "clipped": CLIPPED,
}
ON_TWO_RANKS = {"plain, synchronised": ["trainer.sync_batchnorm=true"], "in parts": ["accumulate=2"]}
# In float32 a unit at a kink turns rounding into another gradient, and Adam a gradient of mere rounding into a whole
# step. So these have smooth activations and distances, and an eps above rounding: only the ranks' arithmetic is left.
JUDGED_SMOOTHLY = ["optimizer.discriminator.eps=1e-4"]
SMOOTH = {
    "autoencoder": AUTOENCODER,
    "faceswap_gan, batch norm": [*GAN, "norm=sync_batch", *JUDGED_SMOOTHLY],
    "n_critic": [*CRITIC, *JUDGED_SMOOTHLY],
}
SMOOTHED = ["loss/reconstruction=mse", "optimizer.generator.eps=1e-4"]
SINGLE = ["trainer.precision=32-true"]
Jobs = dict[str, list[str]]


class Seen(pl.Callback):
    """What a run consists of, by name."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"losses": [], "gradients": []}

    def on_fit_start(self, trainer: pl.Trainer, module: SwapModule) -> None:  # type: ignore[override]
        module.ema = EMA(module.networks[GENERATOR], half_life=100)

    def gradient(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """All summed gradients that an update is about to make use of."""
        found = [p.grad.reshape(-1) for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.facts["gradients"].append(torch.cat(found))

    def on_train_batch_end(self, trainer: pl.Trainer, module: SwapModule, *_: Any) -> None:  # type: ignore[override]
        losses, _ = module.meter.report()
        self.facts["losses"].append(torch.tensor([losses[name] for name in sorted(losses)], dtype=torch.float64))

    def on_train_end(self, trainer: pl.Trainer, module: SwapModule) -> None:  # type: ignore[override]
        assert module.ema is not None
        states = {
            "weights": module.networks.state_dict(),
            "average": module.ema.network.state_dict(),
            "moments": [state for o in trainer.optimizers for state in o.state_dict()["state"].values()],
        }
        self.facts |= {name: torch.cat(flat) for name, value in states.items() if (flat := _tensors(value))}
        statistics = {name: value for name, value in states["weights"].items() if "running" in name}
        self.facts |= {"statistics": torch.cat(_tensors(statistics))} if statistics else {}


def _tensors(node: Any) -> list[Tensor]:
    if isinstance(node, Tensor):
        return [node.double().reshape(-1)]
    return [t for value in (node.values() if isinstance(node, dict) else node) for t in _tensors(value)]


def run(words: list[str], rank: int, world: int) -> dict[str, Any]:
    """Train a system for 20 steps as one of ``world`` ranks."""
    with hydra.initialize_config_module("swaplab.conf", version_base="1.3"):
        config = checked(resolved(hydra.compose("train", words)))
    _, data = load_data(config)
    module = build_module(config, data.identities, data.resolution, total_images=4 * STEPS * 3)
    seen, settings = Seen(), config["trainer"]
    ranks = Ranks(rank, world, 1, TorchElasticEnvironment())
    unwatched: Any = SimpleNamespace(join=lambda: None)
    hook = register_optimizer_step_pre_hook(seen.gradient)
    pl.Trainer(
        accelerator="cpu",
        devices=world,
        strategy=SummedGradients(ranks, unwatched, "gloo") if world > 1 else "auto",
        plugins=[SyncBatchNorms()] if settings["sync_batchnorm"] else None,
        precision=settings["precision"],
        max_epochs=1,
        limit_train_batches=STEPS,
        limit_val_batches=0,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        callbacks=[seen],
    ).fit(module, datamodule=data)
    hook.remove()
    return seen.facts


def work(rank: int, world: int, place: str, jobs: Jobs, smooth: bool) -> None:
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    if smooth:
        F.leaky_relu = lambda x, slope=0.01, inplace=False: slope * x + (1 - slope) * F.softplus(x)
        F.relu = lambda x, inplace=False: F.softplus(x)
        torch.Tensor.abs = lambda x: (x * x + 1e-4).sqrt()  # type: ignore[method-assign]
    addresses = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": Path(place, "port").read_text()}
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0}
    if world > 1:
        os.environ.update({"TORCHELASTIC_RUN_ID": "test"} | addresses | {k: str(v) for k, v in numbers.items()})
    torch.save({name: run(words, rank, world) for name, words in jobs.items()}, f"{place}/{world}.{rank}.pt")


def trained(place: Path, one: Jobs, two: Jobs, *, smooth: bool = False) -> list[dict[str, dict[str, Any]]]:
    """What runs consist of: those of one rank, then those of two as either of them has it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (place / "port").write_text(str(free.getsockname()[1]))
    spawned = [
        mp.start_processes(work, (world, str(place), jobs, smooth), nprocs=world, join=False, start_method="spawn")
        for world, jobs in ((1, one), (2, two))
    ]
    for processes in spawned:
        assert processes is not None
        while not processes.join():
            pass
    return [torch.load(place / f"{name}.pt") for name in ("1.0", "2.0", "2.1")]


def words_of(facesets: dict[str, Path], words: list[str]) -> list[str]:
    return [*TINY, *(f"data.identities.{name}={facesets[name]}" for name in "AB"), *words]


@pytest.fixture(scope="module")
def doubles(facesets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    one = {name: words_of(facesets, words) for name, words in SYSTEMS.items()}
    two = {name: [*words, *ON_TWO_RANKS.get(name, [])] for name, words in one.items()}
    return trained(tmp_path_factory.mktemp("doubles"), one, two)


@pytest.fixture(scope="module")
def singles(facesets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    exact = {f"exact {name}": words_of(facesets, [*words, *SMOOTHED]) for name, words in SMOOTH.items()}
    single = {name: words_of(facesets, [*words, *SMOOTHED, *SINGLE]) for name, words in SMOOTH.items()}
    return trained(tmp_path_factory.mktemp("singles"), exact | single, single, smooth=True)


def parts(fact: Any) -> list[Tensor]:
    return fact if isinstance(fact, list) else [fact]


def apart(facts: dict[str, Any], others: dict[str, Any]) -> dict[str, float]:
    """The largest difference of each fact."""
    assert facts.keys() == others.keys()
    return {
        name: max(float((a - b).abs().max()) for a, b in zip(parts(facts[name]), parts(others[name]), strict=True))
        for name in facts
    }


def relative(facts: dict[str, Any], others: dict[str, Any]) -> dict[str, float]:
    """The largest length of a difference of each fact, of its own length."""
    assert facts.keys() == others.keys()
    return {
        name: max(
            float((a - b).norm() / a.norm()) for a, b in zip(parts(facts[name]), parts(others[name]), strict=True)
        )
        for name in facts
    }


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "plain"])
def test_two_ranks_equal_one_in_float64(doubles: list[dict[str, dict[str, Any]]], system: str) -> None:
    one, *ranks = (run[system] for run in doubles)
    assert len(one["losses"]) == STEPS
    assert len(one["gradients"]) >= STEPS
    assert ("statistics" in one) == (system not in ("faceswap_gan", "n_critic", "n_critic, 2018", "in parts"))
    for rank in ranks:
        differences = relative(one, rank)
        assert max(differences.values()) < 1e-8, differences  # rounding; 1e-9 on some processors
    assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in ("weights", "average", "moments"))


def test_the_norm_that_is_clipped_is_of_the_summed_gradient(doubles: list[dict[str, dict[str, Any]]]) -> None:
    for of_rank in doubles:
        norms = torch.stack([gradient.norm() for gradient in of_rank["clipped"]["gradients"]])
        torch.testing.assert_close(norms, torch.full_like(norms, NORM), rtol=1e-2, atol=0)


def test_the_check_can_fail(doubles: list[dict[str, dict[str, Any]]]) -> None:
    """Statistics of one rank's faces are not those of the batch: plain batch norm shows in everything."""
    one, rank, other = (run["plain"] for run in doubles)
    assert min(apart(one, rank).values()) > 1e-4
    assert not torch.equal(rank["statistics"], other["statistics"])


@pytest.mark.slow
@pytest.mark.parametrize("system", SMOOTH)
def test_two_ranks_equal_one_in_float32(singles: list[dict[str, dict[str, Any]]], system: str) -> None:
    """To 1e-5; gradients, and the moments made of them, at least as exactly as one rank has them in float32."""
    one, *ranks = (run[system] for run in singles)
    rounding = relative(singles[0][f"exact {system}"], one)
    for rank in ranks:
        for name, difference in relative(one, rank).items():
            bound = max(1e-5, 2 * rounding[name]) if name in ("gradients", "moments") else 1e-5
            assert difference < bound, (name, difference, rounding[name])


@pytest.mark.slow
def test_the_whole_of_faceswap_gan_corrected(facesets: dict[str, Path], tmp_path: Path) -> None:
    jobs = {name: words_of(facesets, [*WHOLE_GAN, f"norm={name}"]) for name in ("instance", "sync_batch")}
    one, *ranks = trained(tmp_path, jobs, jobs)
    for name in jobs:
        for rank in ranks:
            differences = relative(one[name], rank[name])
            assert max(differences.values()) < 1e-9, differences
