"""Which processes a run has, and who starts them: torchrun, srun, or this process itself."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swaplab.devices import AUTO, devices_of, number_of, on_gpu, visible_gpus
from swaplab.errors import UserError

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments import ClusterEnvironment

PARENT = "SWAPLAB_RANK_ZERO"  # the process that started this rank


@dataclass(frozen=True)
class Ranks:
    """The processes of a run: ``devices`` on each of ``nodes`` machines; this one is number ``rank``."""

    rank: int
    devices: int
    nodes: int
    environment: "ClusterEnvironment"

    @property
    def world(self) -> int:
        """How many there are."""
        return self.devices * self.nodes

    @property
    def main(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0


def is_main() -> bool:
    """Whether this process is the one that writes and speaks, whatever its config says; known without Lightning."""
    if _by_torchrun():
        return os.environ["RANK"] == "0"
    return os.environ["SLURM_PROCID"] == "0" if _by_srun() else not own_child()


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _by_srun() -> bool:
    return "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1


def find_ranks(settings: Mapping[str, Any]) -> Ranks:
    """The processes that a ``trainer`` section asks for.

    ``devices``, ``nodes``: numbers, or ``auto``: as many as torchrun or srun started; without them, the GPUs of this
    machine, or one processor. UserError if what was started is not what is asked for, or is not there.
    """
    if _by_torchrun():
        ranks = _of_torchrun(settings)
    elif _by_srun():
        ranks = _of_srun(settings)
    elif settings["launcher"] == "srun":
        raise UserError(
            "trainer.launcher=srun, but srun started no several tasks here; use scripts/slurm_train.sbatch, or "
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
        raise UserError(f"srun started {tasks} tasks on {nodes} nodes; give --ntasks-per-node, the same on every node")
    _agree(settings, "srun", tasks // nodes, nodes)
    os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(tasks // nodes))  # Lightning refuses to be without it
    # Requeueing is the batch script's: Lightning would write a checkpoint of its own kind.
    environment = SLURMEnvironment(auto_requeue=False, requeue_signal=signal.SIGUSR1)
    return Ranks(int(os.environ["SLURM_PROCID"]), tasks // nodes, nodes, environment)


def _agree(settings: Mapping[str, Any], starter: str, devices: int, nodes: int) -> None:
    for key, found, things in (("devices", devices, "processes a machine"), ("nodes", nodes, "machines")):
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
        os.environ.pop(stale, None)  # of another run: this one would wait for its ranks
    return Ranks(0, devices, 1, LightningEnvironment())


def own_child() -> bool:
    """Whether rank 0 started this process. SystemExit if rank 0 is gone already."""
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
            f"{devices} processes of this machine want a GPU each, but this one sees {seen}; set trainer.devices={seen}"
            f", or ask Slurm with --gpus-per-node and not --gpus-per-task"
        )
