"""What starts a run's processes, and how many, from the environment variables of torchrun and Slurm."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

from swaplab.errors import UserError
from swaplab.training.launch import PARENT, find_ranks, is_main

CPU = {"accelerator": "cpu", "devices": "auto", "nodes": "auto", "launcher": "auto"}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "1",
}
SRUN = {
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_NODELIST": "node[3-4]",
}

Setting = Callable[[dict[str, str]], None]


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Sets environment variables, after removing those of any launcher."""

    def put(variables: dict[str, str]) -> None:
        for name in (*TORCHRUN, *SRUN, "MASTER_ADDR", "MASTER_PORT", PARENT):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


def test_torchrun_says_how_many(within: Setting) -> None:
    within(TORCHRUN)
    ranks = find_ranks(CPU)
    assert (ranks.rank, ranks.devices, ranks.nodes, ranks.world, ranks.main) == (3, 2, 2, 4, False)
    assert isinstance(ranks.environment, TorchElasticEnvironment)


def test_srun_says_how_many(within: Setting) -> None:
    within(SRUN)
    ranks = find_ranks(CPU | {"launcher": "srun", "devices": 2})
    assert (ranks.rank, ranks.devices, ranks.nodes, ranks.world) == (2, 2, 2, 4)
    environment = ranks.environment
    assert isinstance(environment, SLURMEnvironment)
    assert not environment.auto_requeue  # otherwise Lightning would write its own checkpoint
    assert (environment.local_rank(), environment.node_rank(), environment.world_size()) == (0, 1, 4)
    assert environment.main_address == "node3"
    environment.validate_settings(num_devices=ranks.devices, num_nodes=ranks.nodes)


@pytest.mark.parametrize(
    ("variables", "main"),
    [
        ({}, True),
        (TORCHRUN, False),
        (TORCHRUN | {"RANK": "0"}, True),
        (SRUN, False),
        (SRUN | {"SLURM_PROCID": "0"}, True),
        (SRUN | {"SLURM_NTASKS": "1"}, True),
        ({PARENT: str(os.getppid()), "LOCAL_RANK": "1"}, False),
        ({PARENT: str(os.getppid()), "LOCAL_RANK": "0"}, True),
    ],
)
def test_the_process_that_writes_is_known_before_lightning_is(
    within: Setting, variables: dict[str, str], main: bool
) -> None:
    within(variables)
    assert is_main() is main
    assert find_ranks(CPU | {"devices": "auto"}).main is main


def test_srun_without_tasks_per_node(within: Setting) -> None:
    within({k: v for k, v in SRUN.items() if k != "SLURM_NTASKS_PER_NODE"})
    assert find_ranks(CPU).devices == 2


@pytest.mark.parametrize("variables", [{}, {"SLURM_JOB_ID": "77", "SLURM_NTASKS": "4"}, SRUN | {"SLURM_NTASKS": "1"}])
def test_otherwise_this_process_starts_the_others(within: Setting, variables: dict[str, str]) -> None:
    """Also in a batch script before srun, and in a single-task job such as that of a sweep."""
    within(variables)
    ranks = find_ranks(CPU | {"devices": 3})
    assert (ranks.rank, ranks.world) == (0, 3)
    assert isinstance(ranks.environment, LightningEnvironment)
    assert not ranks.environment.creates_processes_externally


def test_what_an_earlier_run_left_behind_is_not_taken_for_a_launcher(within: Setting) -> None:
    within({"LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "gone", "MASTER_PORT": "1"})
    ranks = find_ranks(CPU)
    assert ranks.main
    assert not ranks.environment.creates_processes_externally
    assert ranks.environment.main_address == "127.0.0.1"


def test_a_rank_whose_rank_0_is_gone_does_not_begin_a_run_of_its_own(within: Setting) -> None:
    within({"LOCAL_RANK": "1", PARENT: "1234567"})
    with pytest.raises(SystemExit):
        find_ranks(CPU)


@pytest.mark.parametrize(
    ("variables", "settings", "sentence"),
    [
        (
            TORCHRUN,
            {"devices": 3},
            "torchrun started 2 processes per machine; set trainer.devices=2",
        ),
        (TORCHRUN, {"nodes": 1}, "trainer.nodes=1, but torchrun started 2 machines"),
        (SRUN, {"devices": 4}, "trainer.devices=4, but srun started 2 processes per machine"),
        (SRUN | {"SLURM_NTASKS": "5"}, {}, "set --ntasks-per-node"),
        ({}, {"launcher": "srun"}, "use scripts/slurm_train.sbatch"),
        ({}, {"nodes": 2}, "use scripts/torchrun_train.sh"),
        ({}, {"devices": 0}, "trainer.devices=0 must be"),
        ({}, {"devices": "two"}, "trainer.devices=two must be"),
        ({}, {"accelerator": "tpu"}, "trainer.accelerator=tpu must be one of auto"),
    ],
)
def test_what_was_started_must_be_what_is_asked_for(
    within: Setting, variables: dict[str, str], settings: dict[str, Any], sentence: str
) -> None:
    within(variables)
    with pytest.raises(UserError, match=sentence.replace("(", "\\(")):
        find_ranks(CPU | settings)


def test_gpus_are_counted(within: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    within({})
    gpu = CPU | {"accelerator": "gpu"}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match="sees no GPU; use trainer=ddp_cpu"):
        find_ranks(gpu | {"devices": 2})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert find_ranks(gpu).world == 4
    with pytest.raises(UserError, match="8 processes on this machine need one GPU each, but this process sees 4"):
        find_ranks(gpu | {"devices": 8})
    within(SRUN)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="--gpus-per-node instead of --gpus-per-task"):
        find_ranks(gpu)


def test_fewer_faces_than_processes(
    command: Callable[..., tuple[int, str, str]], tiny: list[str], tmp_path: Path
) -> None:
    code, _, complaint = command("train", *tiny, "trainer=ddp_cpu", "batch_size=1")
    assert code == 2
    assert "batch_size=1 is too small for 2 processes" in complaint
    assert not (tmp_path / "runs").exists()
