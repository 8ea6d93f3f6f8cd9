"""What a run's numbers depend on besides its config: versions, precision, threads, processor, code."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from swaplab.devices import on_gpu
from swaplab.errors import UserError
from swaplab.stopping import shielded

PRECISIONS = ("32-true", "bf16-mixed", "64-true")
PACKAGES = (
    "swaplab",
    "torch",
    "torchvision",
    "lightning",
    "hydra-core",
    "albumentations",
    "numpy",
    "opencv-python-headless",
)


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX); otherwise it is emulated and slow."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def resolve_precision(settings: Mapping[str, Any]) -> str:
    """The precision of a ``trainer`` section, by Lightning's name; ``auto`` is bfloat16 where the hardware has it.

    UserError for any other name: some of Lightning's names mean another precision on CPUs (16-mixed computes
    bf16-mixed), and none of the others is tested.
    """
    precision = settings["precision"]
    if precision == "auto":
        capable = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu(settings) else cpu_has_bfloat16()
        return "bf16-mixed" if capable else "32-true"
    if precision not in PRECISIONS:
        raise UserError(f"trainer.precision={precision} is not supported; choose auto, {', '.join(PRECISIONS)}")
    return str(precision)


def environment(precision: str) -> dict[str, Any]:
    """The environment as plain values, for resuming and comparing runs."""
    return {
        "precision": precision,
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bfloat16": cpu_has_bfloat16(),
        "cores": os.cpu_count(),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The changes that can affect numbers, as text; empty if bit-equal results can be expected."""
    keys = ("precision", "threads", "cpu_capability", "cpu_bfloat16", "accelerators", "ranks", "versions")
    return [f"{key} was {before.get(key)}, is {now.get(key)}" for key in keys if before.get(key) != now.get(key)]


def git_state() -> dict[str, Any] | None:
    """The commit, and whether files were changed, if swaplab runs from a checkout; else None."""

    def git(*words: str) -> str:
        here = Path(__file__).parent
        with shielded():
            done = subprocess.run(
                ["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10
            )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return None
