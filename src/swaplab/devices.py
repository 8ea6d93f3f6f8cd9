"""What a ``trainer`` section means on this machine: GPUs or processors, how many of them, and what they talk through.

One place for runs and for sweeps, so that what a sweep gives a job is what the job takes. Nothing here starts CUDA.
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
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(i) for i in range(count)] if named is None else [name.strip() for name in named.split(",")]
    return names[:count]


def on_gpu(settings: Mapping[str, Any]) -> bool:
    """Whether it trains on GPUs here: ``auto`` where there is one. UserError for what is no accelerator of ours."""
    wanted = settings["accelerator"]
    if wanted not in ACCELERATORS:
        raise UserError(f"trainer.accelerator={wanted} is not known; choose {', '.join(ACCELERATORS)}")
    return wanted in ("gpu", "cuda") or (wanted == "auto" and bool(visible_gpus()))


def devices_of(settings: Mapping[str, Any], gpus: int) -> int:
    """How many processes it starts on one machine, a device each: ``auto`` is all ``gpus``, or one on processors."""
    if settings["devices"] in AUTO:
        return max(1, gpus) if on_gpu(settings) else 1
    return number_of(settings, "devices")


def backend_of(settings: Mapping[str, Any]) -> str:
    """What several processes talk through; where null: gloo, and NCCL for what lies on GPUs.

    Signals, counts and metrics are always reduced on processors. UserError for what could not carry those.
    """
    backend, gpu = settings["backend"], on_gpu(settings)
    if backend not in BACKENDS or (backend == BOTH and not gpu):
        raise UserError(
            f"trainer.backend={backend} cannot be on {'GPUs' if gpu else 'processors'}; leave it null, which is "
            f"{f'{BOTH}: counts are exchanged on processors' if gpu else 'gloo'}"
        )
    return backend or (BOTH if gpu else "gloo")


def number_of(settings: Mapping[str, Any], key: str) -> int:
    """A number of the section; UserError if it is none."""
    value = settings[key]
    if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
        raise UserError(f"trainer.{key}={value} cannot be; give a number of 1 or more, or auto")
    return int(value)
