"""The ground on which a person's face may be used; without one, nothing is trained."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from swaplab.errors import UserError

KINDS = ("synthetic", "self", "consent", "licensed")


@dataclass(frozen=True)
class Ground:
    """Why this identity may be used.

    ``synthetic``: an invented person. ``self``: the user is the subject. ``consent``: the subject agreed, as recorded
    in a statement file with who, scope and date. ``licensed``: under a licence with name and link. Raises UserError for
    an unknown kind or missing details.
    """

    kind: str
    statement_sha256: str | None = None
    licence: str | None = None
    link: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"ground must be one of {', '.join(KINDS)}; got '{self.kind}'")
        if self.kind == "consent" and not self.statement_sha256:
            raise UserError("ground 'consent' needs a statement file with who, scope and date; give its path")
        if self.kind == "licensed" and not (self.licence and self.link):
            raise UserError("ground 'licensed' needs the licence's name and link; give both")

    @classmethod
    def from_consent(cls, statement: Path) -> "Ground":
        """The ground of a consent statement (YAML or JSON with ``who``, ``scope``, ``date``).

        Only the file's SHA-256 is kept, so outputs never contain a name. Raises UserError if a field is missing.
        """
        try:
            text = statement.read_bytes()
            fields = yaml.safe_load(text)
        except (OSError, yaml.YAMLError) as error:
            raise UserError(
                f"consent statement {statement} cannot be read ({error}); give a YAML file with who, scope, date"
            ) from None
        missing = [k for k in ("who", "scope", "date") if not (isinstance(fields, dict) and fields.get(k))]
        if missing:
            raise UserError(f"consent statement {statement} lacks {', '.join(missing)}; add what is missing")
        return cls("consent", statement_sha256=hashlib.sha256(text).hexdigest())

    def digest(self) -> str:
        """The SHA-256 of the ground, which outputs contain instead of the ground itself."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_manifest(cls, fields: Any, where: Path) -> "Ground":
        """The ground in a faceset's manifest. Raises UserError if there is none."""
        if not isinstance(fields, dict) or "kind" not in fields:
            raise UserError(
                f"faceset {where} has no ground, so it is unknown whether this person's face may be used; "
                f"add ground.kind ({', '.join(KINDS)}) to its faceset.json"
            )
        return cls(**fields)
