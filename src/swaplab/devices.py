"""Devices of this machine: those of a ``trainer`` config, with its processes and backend, and a command's ``device``.

Runs and sweeps share this module, so that a job uses the devices that its sweep assigns. Nothing here initialises CUDA.
"""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swaplab.errors import UserError

if TYPE_CHECKING:
    from torch import device as Device

AUTO = ("auto", -1, "-1")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda")
BOTH = "cpu:gloo,cuda:nccl"
BACKENDS = (None, "gloo", BOTH)


def visible_gpus() -> list[str]:
    """The GPUs visible to this process, by their names in CUDA_VISIBLE_DEVICES."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(i) for i in range(count)] if named is None else [name.strip() for name in named.split(",")]
    return names[:count]


def device_named(name: str) -> "Device":
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` means; ``auto``: the first GPU, else the CPU.

    Raises UserError for another name, and for a GPU that this process does not see.
    """
    import torch

    form = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", name, re.ASCII)
    if form is None:
        raise UserError(f"device={name} must be auto, cpu, cuda or cuda:N")
    count = len(visible_gpus())
    if name == "cpu" or (name == "auto" and not count):
        return torch.device("cpu")
    index = int(form[1] or 0)
    if index >= count:
        seen = f"only {count}, numbered from 0" if count else "none"
        raise UserError(f"device={name} is not there: of GPUs this process sees {seen}; set device=auto")
    return torch.device("cuda", index)


def use_threads(count: int | None) -> None:
    """Compute with so many CPU threads in this process; None: as torch chose."""
    if count is not None:
        import torch

        torch.set_num_threads(count)


def on_gpu(settings: Mapping[str, Any]) -> bool:
    """Whether to train on GPUs; ``auto``: if there is one. Raises UserError for an unknown accelerator."""
    wanted = settings["accelerator"]
    if wanted not in ACCELERATORS:
        raise UserError(f"trainer.accelerator={wanted} must be one of {', '.join(ACCELERATORS)}")
    return wanted in ("gpu", "cuda") or (wanted == "auto" and bool(visible_gpus()))


def devices_of(settings: Mapping[str, Any], gpus: int) -> int:
    """Number of processes per machine, one device each; ``auto``: one per GPU, or one on the CPU."""
    if settings["devices"] in AUTO:
        return max(1, gpus) if on_gpu(settings) else 1
    return number_of(settings, "devices")


def backend_of(settings: Mapping[str, Any]) -> str:
    """Backend of torch.distributed; null: gloo for CPU tensors and NCCL for GPU tensors.

    Signals, counts and metrics are always reduced on the CPU. Raises UserError for a backend that cannot do that.
    """
    backend, gpu = settings["backend"], on_gpu(settings)
    if backend not in BACKENDS or (backend == BOTH and not gpu):
        raise UserError(
            f"trainer.backend={backend} does not work on {'GPUs' if gpu else 'CPUs'}; set it to null, which means "
            f"{f'{BOTH}, because counts are exchanged on the CPU' if gpu else 'gloo'}"
        )
    return backend or (BOTH if gpu else "gloo")


def number_of(settings: Mapping[str, Any], key: str) -> int:
    """A number in the trainer config. Raises UserError if it is not a whole number of at least 1."""
    value = settings[key]
    if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
        raise UserError(f"trainer.{key}={value} must be a whole number of at least 1, or auto")
    return int(value)
