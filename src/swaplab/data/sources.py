"""The sources of a run's facesets: folders of the user, or the renderer."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swaplab.errors import UserError
from swaplab.faces.faceset import Faceset
from swaplab.faces.quality import FLAGS
from swaplab.places import expanded

KINDS = ("synthetic", "facesets")


@dataclass(frozen=True)
class Sources:
    """Facesets by identity.

    Rendered people have true swaps, ``truth[source, target]``, and ``retrieval[kind][name]``; else both are empty.
    ``digest``: SHA-256 over all faces and labels.
    """

    facesets: Mapping[str, Faceset]
    digest: str
    truth: Mapping[tuple[str, str], Faceset] = field(default_factory=dict)
    retrieval: Mapping[str, Mapping[str, Faceset]] = field(default_factory=dict)


def load_sources(data: Mapping[str, Any]) -> Sources:
    """Load the sources of a config's ``data`` section. Raises UserError for an unknown kind, a missing folder, and if
    ``skip_flags`` leaves no face."""
    if data["kind"] == "facesets":
        return _from_folders(data["identities"], data["skip_flags"])
    if data["kind"] == "synthetic":
        from swaplab.synthetic.dataset import build_from_config

        rendered = build_from_config(data)
        return Sources(rendered.facesets, rendered.digest(), rendered.truth, rendered.retrieval)
    raise UserError(f"data.kind must be one of {', '.join(KINDS)}; got {data['kind']}")


def _from_folders(folders: Mapping[str, str], skip_flags: Sequence[str]) -> Sources:
    missing = [name for name, folder in folders.items() if not folder]
    if missing or not folders:
        name = missing[0] if missing else "A"
        raise UserError(
            f"identity {name} has no folder; set data.identities.{name}=DIR, or remove it with ~data.identities.{name}"
        )
    facesets = {name: _without_flags(Faceset.load(expanded(folder)), skip_flags) for name, folder in folders.items()}
    digests = "".join(f"{name}:{faceset.digest()}" for name, faceset in facesets.items())
    return Sources(facesets, hashlib.sha256(digests.encode()).hexdigest())


def _without_flags(faceset: Faceset, skip_flags: Sequence[str]) -> Faceset:
    """The faces without any of ``skip_flags``."""
    carried = Counter(flag for record in faceset.records for flag in record.flags)
    for flag in skip_flags:
        if flag not in {*FLAGS.values(), *carried}:
            raise UserError(f"data.skip_flags has unknown flag '{flag}'; choose from {', '.join(FLAGS.values())}")
    left = [i for i, record in enumerate(faceset.records) if not set(record.flags) & set(skip_flags)]
    if not left:
        counted = ", ".join(f"{carried[flag]} {flag}" for flag in skip_flags if carried[flag]) or "none flagged"
        raise UserError(
            f"none of the {len(faceset.records)} faces in {faceset.folder} is left ({counted}); use better clips, or "
            f"set data.skip_flags=[] to train on flagged faces, too"
        )
    return faceset if len(left) == len(faceset.records) else faceset.select(left)
