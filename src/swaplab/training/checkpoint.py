"""Checkpoints (all state of a run in one file) and weights as safetensors; both are written atomically."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from swaplab.errors import UserError
from swaplab.runs.atomic import write_atomically
from swaplab.runs.damage import Damaged

VERSION = 3
LAST, BEST, FINAL = "last.ckpt", "best.safetensors", "final.safetensors"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write plain containers and tensors to ``path``, atomically."""
    write_atomically(path, lambda file: torch.save({"version": VERSION, **state}, file))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises UserError if it is missing, damaged or has another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} does not exist; train the run first") from None
    except Exception as error:
        raise Damaged(path.parents[1], f"checkpoint {path} is damaged ({type(error).__name__})") from None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise Damaged(path.parents[1], f"checkpoint {path} does not have version {VERSION}")
    return state


def save_weights(path: Path, network: nn.Module, facts: dict[str, str]) -> None:
    """Write a network's state as safetensors, atomically; ``facts`` go into the header."""
    state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    write_atomically(path, lambda file: file.write(safetensors.torch.save(state, metadata=facts)))


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file. Raises UserError if it is missing or damaged."""
    return read_weights(path)[0]


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """`load_weights`, and the SHA-256 of the content, because a run that is training may replace the file."""
    try:
        content = path.read_bytes()
        return safetensors.torch.load(content), hashlib.sha256(content).hexdigest()
    except FileNotFoundError:
        raise UserError(f"weights {path} do not exist; train the run to its end first") from None
    except safetensors.SafetensorError as error:
        raise Damaged(path.parents[1], f"weights {path} are damaged ({error})") from None


def put_weights(network: nn.Module, state: dict[str, torch.Tensor], where: str) -> None:
    """Load a state strictly. Raises UserError with the first difference if the architecture is different."""
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
    network.load_state_dict(state)


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
