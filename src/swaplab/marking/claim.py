"""What swaplab states of a converted file. It names no person: grounds are digests, the original is not identified."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import swaplab
from swaplab.errors import UserError
from swaplab.marking.label import Label


@dataclass(frozen=True)
class GroundDigest:
    """On what ground a face was used: the kind of ground, and the SHA-256 of the ground itself."""

    kind: str
    sha256: str


@dataclass(frozen=True)
class Claim:
    """One conversion. ``source`` is the identity whose face was replaced, ``target`` the one whose face is seen.

    ``run``, ``config_sha256`` and ``weights_sha256`` say which model did it. ``frames`` were written, on
    ``faces_swapped`` faces. Either the visible ``label`` was drawn on every frame, or ``disclosure_elsewhere`` says
    where the audience is told instead; raises UserError if there is neither or both.
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
    swaplab_version: str = swaplab.__version__

    def __post_init__(self) -> None:
        if self.label is None and not (self.disclosure_elsewhere or "").strip():
            raise UserError(
                "the visible label is left off without a reason; say in disclosure_elsewhere where the audience is told"
            )
        if self.label is not None and self.disclosure_elsewhere is not None:
            raise UserError("disclosure_elsewhere replaces the visible label; set label=false or leave the reason out")

    def as_json(self) -> dict[str, Any]:
        """The claim as it stands in the credentials and the sidecar."""
        return asdict(self)
