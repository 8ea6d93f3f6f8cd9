"""Where the facesets of a run come from: folders of the user, or the renderer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swaplab.errors import UserError
from swaplab.faces.faceset import Faceset

KINDS = ("synthetic", "facesets")


@dataclass(frozen=True)
class Sources:
    """Facesets by the run's names of the identities.

    Rendered people come with ``truth[source, target]``, the true swaps, and ``retrieval[kind][name]``; else
    both are empty. ``digest`` is a SHA-256 of all faces and labels.
    """

    facesets: Mapping[str, Faceset]
    digest: str
    truth: Mapping[tuple[str, str], Faceset] = field(default_factory=dict)
    retrieval: Mapping[str, Mapping[str, Faceset]] = field(default_factory=dict)


def load_sources(data: Mapping[str, Any]) -> Sources:
    """What a ``data`` section of a config names. Raises UserError for an unknown kind and for a missing
    folder."""
    if data["kind"] == "facesets":
        return _from_folders(data["identities"])
    if data["kind"] == "synthetic":
        from swaplab.synthetic.dataset import build_from_config

        rendered = build_from_config(data)
        return Sources(rendered.facesets, rendered.digest(), rendered.truth, rendered.retrieval)
    raise UserError(f"data.kind={data['kind']} is not known; choose one of {', '.join(KINDS)}")


def _from_folders(folders: Mapping[str, str]) -> Sources:
    missing = [name for name, folder in folders.items() if not folder]
    if missing or not folders:
        name = missing[0] if missing else "A"
        raise UserError(
            f"identity {name} has no folder; set data.identities.{name}=DIR, or remove it: ~data.identities.{name}"
        )
    facesets = {name: Faceset.load(Path(folder).expanduser()) for name, folder in folders.items()}
    digests = "".join(f"{name}:{faceset.digest()}" for name, faceset in facesets.items())
    return Sources(facesets, hashlib.sha256(digests.encode()).hexdigest())
