"""Checkpoints (Lightning's, with all state of a run) and weights as safetensors; both are written atomically."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.runs.atomic import write_atomically
from swaplab.runs.damage import Damaged

VERSION = 4
STATE = "swaplab"  # key of what Lightning's checkpoint does not have of itself
LAST, BEST, FINAL = "last.ckpt", "best.safetensors", "final.safetensors"
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


def save_weights(path: Path, network: nn.Module, facts: dict[str, str]) -> None:
    """Write a network's state as safetensors, atomically; ``facts`` go into the header."""
    state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    write_atomically(path, lambda file: file.write(safetensors.torch.save(state, metadata=facts)))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises UserError if it is missing or damaged."""
    return read_weights(path)[0]


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """`load_weights`, and the SHA-256 of the content, because a run that is training may replace the file."""
    try:
        content = path.read_bytes()
        return safetensors.torch.load(content), hashlib.sha256(content).hexdigest()
    except FileNotFoundError:
        raise UserError(f"weights {path} do not exist; train the run to its end first") from None
    except safetensors.SafetensorError as error:
        raise Damaged(path.parents[1], f"weights {path} are damaged ({error})") from None


def put_weights(network: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state strictly. Raises UserError with the first difference if the architecture is different."""
    check_state(network, state, where)
    network.load_state_dict(state)


def check_state(network: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Raise UserError, with the first difference, if a state is not one of ``network``."""
    own = network.state_dict()
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    unequal = [name for name in own if name in state and own[name].shape != state[name].shape]
    if missing or extra or unequal:
        first = (
            f"{unequal[0]} is {tuple(state[unequal[0]].shape)}, not {tuple(own[unequal[0]].shape)}"
            if unequal
            else f"{(missing or extra)[0]} is {'missing' if missing else 'not in this network'}"
        )
        raise UserError(
            f"{where} has another architecture: {first} "
            f"({len(missing) + len(extra) + len(unequal)} differences); use the config that it was trained with"
        )


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
