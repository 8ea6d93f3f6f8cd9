"""What a recorded run has to say to those who use it: its config and its generator."""

import hashlib
from pathlib import Path
from typing import Any

from torch import nn

from swaplab.config.trust import check_targets
from swaplab.errors import UserError
from swaplab.losses.context import GENERATOR
from swaplab.runs.record import RunRecord
from swaplab.training.checkpoint import BEST, FINAL, load_weights, put_weights
from swaplab.training.networks import build_networks

# What is read of a recorded config, besides what every version of it has had.
_RECORDED = ("size", "code_match", "mask_network", "composed_by", "composition", "data_masks")


def recorded_config(record: RunRecord) -> dict[str, Any]:
    """The config of a run's record. UserError if it may run something foreign, or was written by another version."""
    config = record.config()
    check_targets(config)
    missing = [key for key in _RECORDED if key not in config]
    if missing:
        raise UserError(
            f"{record.folder / 'config.yaml'} lacks {missing[0]}: another version of swaplab made this run; use that "
            f"version, or train the run again"
        )
    return config


def load_generator(
    folder: Path, config: dict[str, Any], identities: tuple[str, ...], resolution: int, weights: str
) -> nn.Module:
    """The averaged generator of a run; UserError if its weights are missing or of another architecture."""
    path = _weights(folder, weights)
    state = load_weights(path)
    generator = build_networks(config, identities, resolution)[GENERATOR]
    put_weights(generator, state, str(path))
    return generator.eval().requires_grad_(False)


def weights_digest(folder: Path, weights: str) -> str:
    """16 hex digits over the file of these weights."""
    with _weights(folder, weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _weights(folder: Path, weights: str) -> Path:
    return folder / "checkpoints" / (FINAL if weights == "final" else BEST)
