"""Content credentials (C2PA 2.2): a signed manifest inside the file that states how it was made and from what.

Everything is local: no time-stamp server, no remote manifest, no revocation check. Thumbnails of the original and its
name are left out, because an output must not reveal whom it was made from.
"""

import json
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from cryptography import x509

from swaplab.errors import UserError
from swaplab.marking.claim import Claim
from swaplab.marking.signer import SigningKey
from swaplab.places import expanded

State = Literal["valid, trusted signer", "valid, untrusted signer", "invalid", "absent"]

CLAIM_LABEL = "swaplab.conversion"
# https://cv.iptc.org/newscodes/digitalsourcetype: a composite that includes output of a trained model
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
UNTRUSTED = "signingCredential.untrusted"
FORMATS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/avi",
}


@dataclass(frozen=True)
class Credentials:
    """The credentials of a file.

    ``reasons``: failure codes (C2PA 2.2, section 15.2). ``claim``: swaplab's own statement. ``composite``: whether the
    standard statement is present that a trained model made parts of the file. ``earlier``: number of manifests kept
    from the original.
    """

    state: State
    reasons: tuple[str, ...] = ()
    manifest: str | None = None
    signer: str | None = None
    claim: dict[str, Any] | None = None
    composite: bool = False
    earlier: int = 0

    @property
    def valid(self) -> bool:
        """Whether the file is unchanged since it was signed, by a trusted signer or not."""
        return self.state.startswith("valid")


def library() -> ModuleType:
    """c2pa-python with its native library. Raises UserError if either is missing."""
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"the content credentials library cannot be loaded ({error}); reinstall c2pa-python for this platform"
        ) from None
    module: ModuleType = c2pa
    return module


def sign(source: Path, destination: Path, claim: Claim, parent: Path, key: SigningKey) -> None:
    """Write ``source`` to ``destination`` with a signed manifest that declares it an edit of ``parent``.

    Manifests in ``parent`` are kept. Raises UserError if it fails for any reason.
    """
    c2pa = library()
    agent = {"name": "swaplab", "version": metadata.version("swaplab")}
    edited = {"action": "c2pa.edited", "digitalSourceType": COMPOSITE, "softwareAgent": agent}
    manifest = {
        "title": "converted by swaplab",
        "claim_generator_info": [agent],
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [edited]}},
            {"label": CLAIM_LABEL, "data": claim.as_json()},
        ],
    }
    try:
        with (
            _context(c2pa) as context,
            c2pa.Builder(manifest, context=context) as builder,
            c2pa.Signer.from_info(c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None)) as signer,
            parent.open("rb") as original,
            source.open("rb") as unsigned,
            destination.open("w+b") as signed,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            ingredient = {"title": "original", "relationship": "parentOf"}
            builder.add_ingredient(ingredient, _format(parent), original)
            builder.sign(signer, _format(destination), unsigned, signed)
            signed.flush()
            os.fsync(signed.fileno())
    except (c2pa.C2paError, OSError) as error:
        raise UserError(f"content credentials could not be written ({error}); no output was kept") from None


def read(path: Path) -> Credentials:
    """The credentials of a file, verified against its bytes; absent for file types that cannot have any."""
    c2pa = library()
    try:
        with _context(c2pa) as context, path.open("rb") as file, c2pa.Reader(None, file, context=context) as reader:
            store = json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return Credentials("absent")
    except c2pa.C2paError as error:
        return Credentials("invalid", (str(error),))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path") from None
    active = store["manifests"].get(store.get("active_manifest"), {})
    failures = [item["code"] for item in store["validation_results"]["activeManifest"]["failure"]]
    state: State = "invalid"
    if store["validation_state"] == "Trusted" and not failures:
        state = "valid, trusted signer"
    elif store["validation_state"] == "Valid" and set(failures) <= {UNTRUSTED}:
        state = "valid, untrusted signer"
    assertions = {item["label"]: item["data"] for item in active.get("assertions", ())}
    claim = assertions.get(CLAIM_LABEL)
    actions = [
        action for label, data in assertions.items() if label.startswith("c2pa.actions") for action in data["actions"]
    ]
    return Credentials(
        state,
        tuple(dict.fromkeys(failures)),
        store.get("active_manifest"),
        active.get("signature_info", {}).get("common_name"),
        claim if isinstance(claim, dict) else None,
        any(action.get("digitalSourceType") == COMPOSITE for action in actions),
        len(store["manifests"]) - 1,
    )


def check_parent(path: Path) -> None:
    """Raises UserError if the credentials of ``path`` are too damaged to be kept beside new ones."""
    credentials = read(path)
    if credentials.state == "invalid" and credentials.manifest is None:
        raise UserError(
            f"{path} has content credentials that cannot be read ({credentials.reasons[0]}), and they are never "
            "dropped silently; use an undamaged copy"
        )


def _format(path: Path) -> str:
    return FORMATS.get(path.suffix.lower(), "application/octet-stream")


def _context(c2pa: ModuleType) -> Any:
    """The settings of every call: offline, no thumbnails, our own statements attributed to the signer."""
    anchors = _trusted()
    return c2pa.Context.from_dict(
        {
            "version": 1,
            "trust": {"user_anchors": anchors} if anchors else {},
            # above this size, its copy of a video is on disk; another copy is always in memory
            "core": {"allowed_network_hosts": [], "backing_store_memory_threshold_in_mb": 32},
            "verify": {
                "verify_after_reading": True,
                "verify_after_sign": True,
                "verify_trust": True,
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
            },
            "builder": {
                "thumbnail": {"enabled": False},
                "created_assertion_labels": ["c2pa.actions", "c2pa.actions.v2", "c2pa.ingredient.v3", CLAIM_LABEL],
                # a changed byte in a padding box also counts as a change
                "bmff_hash_exclude_free_and_skip_boxes": False,
            },
        }
    )


def _trusted() -> str | None:
    """The signers that the user trusts: PEM certificates in the file ``SWAPLAB_TRUST``, if it is set."""
    named = os.environ.get("SWAPLAB_TRUST")
    if not named:
        return None
    try:
        anchors = expanded(named).read_text()
        x509.load_pem_x509_certificates(anchors.encode())
    except (OSError, ValueError) as error:
        raise UserError(
            f"SWAPLAB_TRUST={named} cannot be read ({error}); set it to a file of PEM certificates"
        ) from None
    return anchors
