"""Config, faces and model of a recorded run."""

from dataclasses import dataclass
from typing import Any

import torch

from swaplab.config.border import checked
from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.marking.claim import Claim, GroundDigest
from swaplab.networks.building import build_networks
from swaplab.networks.loading import put_weights
from swaplab.networks.names import GENERATOR
from swaplab.networks.swap_model import ColourShifts, SwapModel, swap_model
from swaplab.runs.record import RunRecord
from swaplab.runs.weights import BEST, FINAL, read_weights

WEIGHTS = {"final": FINAL, "best": BEST}


def recorded_config(record: RunRecord) -> dict[str, Any]:
    """The validated config of a run. Raises UserError if it is invalid, untrusted or from another version."""
    try:
        return checked(record.config())
    except UserError as error:
        raise UserError(
            f"{record.folder / 'config.yaml'}: {error}; if another version of swaplab made this run, use that version, "
            f"or train the run again"
        ) from None


@dataclass(frozen=True)
class RecordedFaces:
    """The faces that a run was trained on: identities, alignment, and the colour shifts of training."""

    identities: tuple[str, ...]
    alignment: Alignment
    colour_shifts: ColourShifts


def recorded_faces(record: RunRecord) -> RecordedFaces:
    """The faces of a run. Raises UserError if its record does not describe them."""
    try:
        faces = record.facts["faces"]
        alignment = Alignment(faces["region"], faces["margin"])
        return RecordedFaces(tuple(faces["identities"]), alignment, faces["colour_shifts"])
    except (KeyError, TypeError):
        raise UserError(
            f"{record.folder / 'run.json'} lacks the identities, face size or colours of the run's training; train it "
            f"again with this version"
        ) from None


def load_model(
    record: RunRecord, config: dict[str, Any], weights: str = "final", device: torch.device | str = "cpu"
) -> tuple[SwapModel, str]:
    """A run's averaged generator, ready for evaluation and conversion, and the SHA-256 of the weights file.

    Raises UserError if the weights are missing or have another architecture, and like `recorded_faces`.
    """
    if weights not in WEIGHTS:
        raise UserError(f"weights={weights} must be {' or '.join(WEIGHTS)}")
    if not record.begun:
        raise UserError(f"{record.folder} has no weights yet (status: {record.status}); train the run to its end first")
    faces, path = recorded_faces(record), record.checkpoints / WEIGHTS[weights]
    state, digest = read_weights(path)
    generator = build_networks(config, faces.identities, faces.alignment.region)[GENERATOR]
    put_weights(generator, state, str(path))
    return swap_model(generator.to(device).requires_grad_(False), config, faces.colour_shifts), digest


def claim_of(record: RunRecord, weights: str, source: str, target: str, **stated: Any) -> Claim:
    """The signed claim about faces of ``source`` that a run swapped to ``target``.

    ``weights``: SHA-256 of the model's weights. ``stated``: the other fields of the claim.
    """
    grounds = {name: GroundDigest(known["kind"], known["digest"]) for name, known in record.facts["grounds"].items()}
    return Claim(
        run=record.folder.resolve().name,
        config_sha256=record.config_sha256,
        weights_sha256=weights,
        source=grounds[source],
        target=grounds[target],
        **stated,
    )
