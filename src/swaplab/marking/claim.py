"""The signed claim about a converted file. It identifies neither people nor the original: grounds are only digests."""

from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

from swaplab.errors import UserError
from swaplab.marking.label import Label


@dataclass(frozen=True)
class GroundDigest:
    """The ground on which a face was used: its kind, and the SHA-256 of the ground itself."""

    kind: str
    sha256: str


@dataclass(frozen=True)
class Claim:
    """The claim about one conversion.

    ``source``: the identity whose face was replaced; ``target``: the one whose face is seen. ``run``,
    ``config_sha256`` and ``weights_sha256`` identify the model. ``frames``: number of frames written;
    ``faces_swapped``: number of faces swapped in them. Either ``label`` was drawn on every frame, or
    ``disclosure_elsewhere`` states where the audience is told instead; raises UserError for neither or both.
    """

    kind: Literal["picture", "video"]
    run: str
    config_sha256: str
    weights_sha256: str
    source: GroundDigest
    target: GroundDigest
    frames: int
    faces_swapped: int
    label: Label | None
    disclosure_elsewhere: str | None = None
    swaplab_version: str = metadata.version("swaplab")

    def __post_init__(self) -> None:
        if self.label is None and not (self.disclosure_elsewhere or "").strip():
            raise UserError(
                "leaving off the visible label needs a reason; set disclosure_elsewhere to where the audience is told"
            )
        if self.label is not None and self.disclosure_elsewhere is not None:
            raise UserError("disclosure_elsewhere replaces the visible label; set label=false or remove it")

    def as_json(self) -> dict[str, Any]:
        """The claim as written to the credentials and the sidecar."""
        return asdict(self)
