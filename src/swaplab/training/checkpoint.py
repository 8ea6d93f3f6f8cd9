"""Checkpoints: Lightning's files, with all state of a run, written atomically and read without running code."""

import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from swaplab.errors import UserError
from swaplab.runs.atomic import write_atomically
from swaplab.runs.damage import Damaged

VERSION = 4
STATE = "swaplab"  # key of what Lightning's checkpoint does not have of itself
LAST = "last.ckpt"
NETWORKS = "networks."  # what names of weights begin with in a checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints as files that are complete at any moment, and read without running code from them."""

    def __init__(self) -> None:
        self._loaded: dict[Path, dict[str, Any]] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write plain containers and tensors to ``path``, atomically."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(path), lambda file: torch.save(checkpoint, file))

    def preload(self, path: Path) -> dict[str, Any]:
        """`load_checkpoint`; the Trainer then gets the same one without reading it again."""
        self._loaded[path] = load_checkpoint(path)
        return self._loaded[path]

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """`load_checkpoint`, whatever ``map_location`` and ``weights_only`` are."""
        return self._loaded.pop(Path(path), None) or load_checkpoint(Path(path))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises UserError if it is missing, damaged or has another version.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} does not exist; train the run first") from None
    except Exception as error:
        raise Damaged(path.parents[1], f"checkpoint {path} is damaged ({type(error).__name__})") from None
    state = checkpoint.get(STATE) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise Damaged(path.parents[1], f"checkpoint {path} does not have version {VERSION}")
    return checkpoint


def networks_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of all networks in a checkpoint, by network and path: ``generator.encoder...``."""
    return {name.removeprefix(NETWORKS): value for name, value in checkpoint["state_dict"].items()}


def average_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of the averaged generator in a checkpoint, by path."""
    weights: dict[str, Tensor] = checkpoint[STATE]["average"]
    return weights


def check_disk(folder: Path, needed: int) -> None:
    """Raise UserError unless the disk of ``folder`` has ``needed`` free bytes."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"the disk of {folder} has {free / 1e9:.2f} GB free, but the run's checkpoints need {needed / 1e9:.2f} GB; "
            f"free some space or choose another folder with runs=DIR"
        )


def disk_need(parameters: int, averaged: int, moments: int, kept: int, bytes_each: int = 4) -> int:
    """The maximum size of a run's checkpoints in bytes: two copies of the last one (old and new), and the weights of
    best, final and ``kept`` earlier averages, with two copies of one of them.

    ``parameters``, ``averaged``: scalars of all networks and of the averaged one. ``moments``: optimiser states per
    parameter.
    """
    last = (parameters * (1 + moments) + averaged) * bytes_each
    return 2 * last + (3 + kept) * averaged * bytes_each
