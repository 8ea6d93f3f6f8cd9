"""Read the marks of a file and tell what each of them proves."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from swaplab.errors import UserError
from swaplab.marking import credentials
from swaplab.marking.credentials import Credentials
from swaplab.marking.label import Label
from swaplab.marking.sidecar import sidecar_of, sidecar_text

# correlation from which on the label counts as present; docs/marking.md has measured values
LIKENESS = 0.8

SIGNATURE_PROVES = {
    "valid, trusted signer": "the file has not changed since a signer you trust made this statement",
    "valid, untrusted signer": "the file has not changed since it was signed; not who signed it, nor that it is true",
}
LABEL_PROVES = "viewers are told; but anybody can crop or forge it"
SIDECAR_PROVES = "the file is byte for byte the one that the sidecar was written for; not who made either"


@dataclass(frozen=True)
class Mark:
    """One mark: its state, what was found, and what that proves."""

    name: str
    state: Literal["intact", "left off", "missing", "broken"]
    found: str
    proves: str = ""


@dataclass(frozen=True)
class Verification:
    """The marks of one file."""

    path: Path
    marks: tuple[Mark, ...]
    credentials: Credentials

    @property
    def intact(self) -> bool:
        """Whether every mark is present and intact, or was left off for a signed reason."""
        return all(mark.state in {"intact", "left off"} for mark in self.marks)

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for every mark that is missing or broken."""
        return tuple(
            f"{mark.name} {mark.state}: {mark.found}" for mark in self.marks if mark.state in {"missing", "broken"}
        )


def verify(path: Path) -> Verification:
    """Read all marks of a picture or video. Raises UserError for a file that is neither or cannot be read."""
    if not path.is_file():
        raise UserError(f"{path} is not a file; give the path of a picture or video")
    found = credentials.read(path)
    likeness = _least_likeness(path, _label_of(found))
    if likeness is None and found.state == "absent":
        raise UserError(f"{path} is not a readable picture or video; give the path of one")
    return Verification(
        path, (_credentials_mark(found), _label_mark(found, likeness), _sidecar_mark(path, found)), found
    )


def _credentials_mark(found: Credentials) -> Mark:
    name = "content credentials"
    if found.state == "absent":
        return Mark(name, "missing", "none in the file; programs that re-encode a file drop them")
    if not found.valid:
        return Mark(
            name, "broken", f"the file was changed after signing or violates the standard ({', '.join(found.reasons)})"
        )
    signer = f"{found.state} '{found.signer}'"
    if found.claim is None or not found.composite:
        return Mark(name, "missing", f"{signer}, but without swaplab's statement that a face was swapped")
    return Mark(name, "intact", signer, SIGNATURE_PROVES[found.state])


def _label_mark(found: Credentials, likeness: float | None) -> Mark:
    name, label = "visible label", _label_of(found)
    reason = found.claim.get("disclosure_elsewhere") if found.valid and found.claim else None
    if reason:
        return Mark(name, "left off", f"disclosed elsewhere: {reason}", "nothing; the reason was signed with the file")
    if likeness is None:
        return Mark(name, "broken", "the image cannot be decoded")
    if likeness < LIKENESS:
        return Mark(
            name, "missing", f"'{label.text}' is not in its place (correlation {likeness:.2f}; {LIKENESS} needed)"
        )
    return Mark(name, "intact", f"'{label.text}' (correlation {likeness:.2f})", LABEL_PROVES)


def _sidecar_mark(path: Path, found: Credentials) -> Mark:
    name, sidecar = "sidecar", sidecar_of(path)
    try:
        written = sidecar.read_bytes()
    except FileNotFoundError:
        return Mark(name, "missing", f"there is no {sidecar.name} beside the file")
    except OSError as error:
        return Mark(name, "broken", f"{sidecar.name} cannot be read ({error.strerror})")
    if written != sidecar_text(path, found).encode():
        return Mark(name, "broken", f"{sidecar.name} does not belong to this file, or one of them was changed")
    return Mark(name, "intact", f"{sidecar.name} belongs to this file", SIDECAR_PROVES)


def _label_of(found: Credentials) -> Label:
    """The label stated in the claim; the default one without a claim, or with a malformed one."""
    stated = (found.claim or {}).get("label")
    try:
        return Label(str(stated["text"]), float(stated["height"])) if isinstance(stated, dict) else Label()
    except (KeyError, TypeError, ValueError, UserError):
        return Label()


def _least_likeness(path: Path, label: Label) -> float | None:
    """The minimum likeness of the label in a picture or in a video's key frames; None if nothing can be decoded."""
    try:
        return min((label.likeness(frame) for frame in _frames(path)), default=None)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, av.error.FFmpegError):
        return None


def _frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The picture, or the key frames of the video, (H, W, 3) RGB."""
    try:
        with Image.open(path) as picture:
            yield np.asarray(picture.convert("RGB"))
            return
    except UnidentifiedImageError:
        pass
    container: Any
    with av.open(str(path)) as container:
        # a damaged header may leave a stream with an unknown codec
        for stream in [s for s in container.streams.video if s.codec_context][:1]:
            stream.codec_context.skip_frame = "NONKEY"
            for frame in container.decode(stream):
                yield frame.to_ndarray(format="rgb24")
