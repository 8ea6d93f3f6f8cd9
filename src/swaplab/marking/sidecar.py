"""The sidecar OUTPUT.json: the signed claim, readable with any editor, and the SHA-256 of the whole file.

It is a pure function of the marked file. So it reveals any changed byte, even in the few places of a media file that
content credentials do not cover; but anybody who changes the file can write a new sidecar.
"""

import hashlib
import json
from pathlib import Path

from swaplab.marking.credentials import Credentials

VERSION = 1


def sidecar_of(path: Path) -> Path:
    """The path of the sidecar of ``path``: its full name plus ``.json``."""
    return path.with_name(f"{path.name}.json")


def sidecar_text(path: Path, credentials: Credentials) -> str:
    """The content of the sidecar for the file ``path`` with these credentials."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    content = {
        "swaplab_sidecar": VERSION,
        "file": {"sha256": digest, "bytes": path.stat().st_size},
        "credentials": {"manifest": credentials.manifest, "signer": credentials.signer},
        "claim": credentials.claim,
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
