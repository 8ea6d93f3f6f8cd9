"""The sidecar OUTPUT.json: the signed claim where any editor can read it, and the SHA-256 of the whole file.

It is a pure function of the marked file. So any changed byte shows, in the sidecar and also in the few places of a
media file that content credentials leave out; but whoever changes both can write a new pair of them.
"""

import hashlib
import json
from pathlib import Path

from swaplab.marking.credentials import Credentials

VERSION = 1


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of ``path`` is: the whole name, then ``.json``."""
    return path.with_name(f"{path.name}.json")


def sidecar_text(path: Path, credentials: Credentials) -> str:
    """What the sidecar of the file ``path`` with these credentials has to say."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    content = {
        "swaplab_sidecar": VERSION,
        "file": {"sha256": digest, "bytes": path.stat().st_size},
        "credentials": {"manifest": credentials.manifest, "signer": credentials.signer},
        "claim": credentials.claim,
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
