"""Devices of a ``trainer`` config on this machine: GPU or CPU, number of processes, communication backend.

Runs and sweeps share this module, so that a job uses the devices that its sweep assigns. Nothing here initialises CUDA.
"""

import os
from collections.abc import Mapping
from typing import Any

from swaplab.errors import UserError

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
