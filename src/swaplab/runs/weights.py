"""The weights of a run as safetensors files: written atomically, read without running code."""

import hashlib
from pathlib import Path

import safetensors.torch
from torch import Tensor, nn

from swaplab.errors import UserError
from swaplab.runs.atomic import write_atomically
from swaplab.runs.damage import Damaged

BEST, FINAL = "best.safetensors", "final.safetensors"


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
