"""The processes of a run, and what starts them: torchrun, srun, or this process itself."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swaplab.devices import AUTO, devices_of, number_of, on_gpu, visible_gpus
from swaplab.errors import UserError

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments import ClusterEnvironment

PARENT = "SWAPLAB_RANK_ZERO"  # environment variable: ID of the process that started this rank


@dataclass(frozen=True)
class Ranks:
    """The processes of a run: ``devices`` on each of ``nodes`` machines; this one is number ``rank``."""

    rank: int
    devices: int
    nodes: int
    environment: "ClusterEnvironment"

    @property
    def world(self) -> int:
        """The number of processes."""
        return self.devices * self.nodes

    @property
    def main(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0


def is_main() -> bool:
    """Whether this process writes and prints; needs neither the config nor Lightning."""
    if _by_torchrun():
        return os.environ["RANK"] == "0"
    return os.environ["SLURM_PROCID"] == "0" if _by_srun() else not own_child()


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _by_srun() -> bool:
    return "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1


def find_ranks(settings: Mapping[str, Any]) -> Ranks:
    """The processes that a ``trainer`` section asks for.

    ``devices``, ``nodes``: numbers, or ``auto``: as many as torchrun or srun started; without these, the GPUs of this
    machine, or one CPU process. UserError if the processes started, or the GPUs, do not match the section.
    """
    if _by_torchrun():
        ranks = _of_torchrun(settings)
    elif _by_srun():
        ranks = _of_srun(settings)
    elif settings["launcher"] == "srun":
        raise UserError(
            "trainer.launcher=srun, but srun did not start several tasks; use scripts/slurm_train.sbatch, or "
            "trainer=ddp on one machine"
        )
    else:
        ranks = _of_our_own(settings)
    _check_gpus(settings, ranks.devices)
    return ranks


def _of_torchrun(settings: Mapping[str, Any]) -> Ranks:
    from lightning.fabric.plugins.environments import TorchElasticEnvironment

    world, devices = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    _agree(settings, "torchrun", devices, world // devices)
    return Ranks(int(os.environ["RANK"]), devices, world // devices, TorchElasticEnvironment())


def _of_srun(settings: Mapping[str, Any]) -> Ranks:
    from lightning.fabric.plugins.environments import SLURMEnvironment

    tasks, nodes = int(os.environ["SLURM_NTASKS"]), int(os.environ.get("SLURM_NNODES", 1))
    if tasks % nodes:
        raise UserError(f"srun started {tasks} tasks on {nodes} nodes; set --ntasks-per-node, equal on all nodes")
    _agree(settings, "srun", tasks // nodes, nodes)
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(tasks // nodes))  # Lightning requires it
    # The batch script requeues the job: Lightning would write its own kind of checkpoint.
    environment = SLURMEnvironment(auto_requeue=False, requeue_signal=signal.SIGUSR1)
    return Ranks(int(os.environ["SLURM_PROCID"]), tasks // nodes, nodes, environment)


def _agree(settings: Mapping[str, Any], starter: str, devices: int, nodes: int) -> None:
    for key, found, things in (("devices", devices, "processes per machine"), ("nodes", nodes, "machines")):
        if settings[key] not in AUTO and number_of(settings, key) != found:
            raise UserError(
                f"trainer.{key}={settings[key]}, but {starter} started {found} {things}; set trainer.{key}={found}, or "
                f"trainer.{key}=auto"
            )


def _of_our_own(settings: Mapping[str, Any]) -> Ranks:
    from lightning.fabric.plugins.environments import LightningEnvironment

    nodes = 1 if settings["nodes"] in AUTO else number_of(settings, "nodes")
    if nodes > 1:
        raise UserError(
            f"trainer.nodes={nodes}, but neither torchrun nor srun started this process; use "
            f"scripts/torchrun_train.sh or scripts/slurm_train.sbatch on several machines"
        )
    devices = devices_of(settings, len(visible_gpus()))
    if own_child():
        return Ranks(int(os.environ["LOCAL_RANK"]), devices, 1, LightningEnvironment())
    for stale in ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(stale, None)  # left by another run: this one would wait for its ranks
    return Ranks(0, devices, 1, LightningEnvironment())


def own_child() -> bool:
    """Whether rank 0 started this process. SystemExit if rank 0 is already gone."""
    if PARENT not in os.environ or os.environ.get("LOCAL_RANK", "0") == "0":
        return False
    if os.environ[PARENT] != str(os.getppid()):
        raise SystemExit(1)
    return True


def _check_gpus(settings: Mapping[str, Any], devices: int) -> None:
    if not on_gpu(settings):
        return
    seen = len(visible_gpus())
    if seen == 0:
        raise UserError(
            f"trainer.accelerator={settings['accelerator']}, but this process sees no GPU; use trainer=ddp_cpu, or "
            f"trainer=auto for one process"
        )
    if seen < devices:
        raise UserError(
            f"{devices} processes on this machine need one GPU each, but this process sees {seen}; set trainer.devices="
            f"{seen}, or ask Slurm for --gpus-per-node instead of --gpus-per-task"
        )
