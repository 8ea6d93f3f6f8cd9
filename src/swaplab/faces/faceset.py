"""A faceset: a folder of aligned faces of one identity, with a manifest that records where each came from.

faceset.json      identity, ground, alignment, version
records.jsonl     one line per face: source, clip, time, box, landmarks, matrix, quality, files and their SHA-256
faces/000000.png  RGB crops of ``alignment.stored`` pixels
masks/000000.png  optional, four channels of the same size: face, eyes, mouth, occluder
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.ground import Ground
from swaplab.unfinished import unfinished_folder

VERSION = 1
MASKS = ("face", "eyes", "mouth", "occluder")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class FaceRecord:
    """One face: its origin and properties. Coordinates are in pixels of the source frame, ``time`` is in seconds.

    ``split`` is set only if the source declares it (rendered clips); else the data module splits by clip.
    ``landmarks``: 5 or 68 points. ``parameters``: the rendering parameters of a rendered face.
    """

    file: str
    sha256: str
    source: str
    clip: str
    frame: int
    time: float
    box: list[float]
    landmarks: list[list[float]]
    matrix: list[list[float]]
    quality: dict[str, float] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    masks: str | None = None
    masks_sha256: str | None = None
    split: str | None = None
    parameters: dict[str, Any] | None = None


class FacesetWriter:
    """Writes a faceset to a temporary folder and renames it to ``folder`` if the ``with`` block succeeds.

    Raises UserError if ``folder`` exists.
    """

    def __init__(self, folder: Path, identity: str, ground: Ground, alignment: Alignment) -> None:
        if folder.exists():
            raise UserError(f"{folder} already exists; choose another output folder or remove it first")
        self.folder, self.identity, self.ground, self.alignment = folder, identity, ground, alignment
        self._records: list[FaceRecord] = []

    def __enter__(self) -> "FacesetWriter":
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._unfinished = stack.enter_context(unfinished_folder(self.folder)) / "faceset"
            self._unfinished.mkdir()
            self._stack = stack.pop_all()
        (self._unfinished / "faces").mkdir()
        (self._unfinished / "masks").mkdir()
        return self

    def add(self, face: NDArray[np.uint8], masks: NDArray[np.uint8] | None = None, **known: Any) -> None:
        """Store one crop (stored, stored, 3) RGB and its masks (stored, stored, 4); ``known``: fields of FaceRecord."""
        name = f"{len(self._records):06d}.png"
        digest = self._write(f"faces/{name}", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
        if masks is not None:
            known |= {
                "masks": f"masks/{name}",
                "masks_sha256": self._write(f"masks/{name}", cv2.cvtColor(masks, cv2.COLOR_RGBA2BGRA)),
            }
        self._records.append(FaceRecord(file=f"faces/{name}", sha256=digest, **known))

    def _write(self, name: str, image: NDArray[np.uint8]) -> str:
        side = self.alignment.stored
        if image.shape[:2] != (side, side):
            raise ValueError(f"images of this faceset must have {side} x {side} pixels; got {image.shape[:2]}")
        data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        (self._unfinished / name).write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        header = {
            "version": VERSION,
            "identity": self.identity,
            "ground": asdict(self.ground),
            "alignment": asdict(self.alignment),
            "faces": len(self._records),
        }
        (self._unfinished / "faceset.json").write_text(json.dumps(header, indent=2) + "\n")
        lines = (json.dumps(asdict(record)) + "\n" for record in self._records)
        (self._unfinished / "records.jsonl").write_text("".join(lines))
        os.rename(self._unfinished, self.folder)


@dataclass(frozen=True)
class Faceset:
    """A faceset on disk: header and records are in memory; pixels are read on demand."""

    folder: Path
    identity: str
    ground: Ground
    alignment: Alignment
    records: tuple[FaceRecord, ...]
    manifest_sha256: str

    @classmethod
    def load(cls, folder: Path) -> "Faceset":
        """Read the manifest. Raises UserError if the folder is missing, is not a faceset, or has no ground."""
        if not folder.is_dir():
            raise UserError(
                f"faceset folder {folder} does not exist; check the path, or create it with swaplab extract or render"
            )
        try:
            header = json.loads((folder / "faceset.json").read_text())
            manifest = (folder / "records.jsonl").read_bytes()
            lines = manifest.decode().splitlines()
            known = {f.name for f in fields(FaceRecord)}
            records = tuple(FaceRecord(**{k: v for k, v in json.loads(line).items() if k in known}) for line in lines)
            alignment = Alignment(**header["alignment"])
            identity, version = str(header["identity"]), header["version"]
        except FileNotFoundError as error:
            raise UserError(f"{folder} is not a faceset: it has no {Path(error.filename).name}") from None
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"faceset {folder} has a damaged manifest ({error}); create the faceset again") from None
        if version != VERSION:
            raise UserError(
                f"faceset {folder} has version {version}, but this swaplab reads version {VERSION}; create it again"
            )
        ground = Ground.from_manifest(header.get("ground"), folder)
        return cls(folder, identity, ground, alignment, records, hashlib.sha256(manifest).hexdigest())

    def digest(self) -> str:
        """SHA-256 over all records; it changes if any pixel or label changes."""
        return self.manifest_sha256

    def select(self, indices: Sequence[int]) -> "Faceset":
        """The faceset with only these records, in this order."""
        digest = hashlib.sha256(f"{self.manifest_sha256} {list(indices)}".encode()).hexdigest()
        return replace(self, records=tuple(self.records[i] for i in indices), manifest_sha256=digest)

    def faces(self) -> NDArray[np.uint8]:
        """All crops, RGB (n, stored, stored, 3). Raises UserError if a file is missing, truncated or changed."""
        return self._stack(self._images([(r.file, r.sha256) for r in self.records], cv2.COLOR_BGR2RGB), 3)

    def masks(self) -> NDArray[np.uint8]:
        """All masks (n, stored, stored, 4), 0 to 255, channels in the order of MASKS. Raises UserError if a face has
        none."""
        missing = [r.file for r in self.records if r.masks is None]
        if missing:
            raise UserError(f"faceset {self.folder} has no masks for {missing[0]} and {len(missing) - 1} more")
        named = [(str(r.masks), r.masks_sha256) for r in self.records]
        return self._stack(self._images(named, cv2.COLOR_BGRA2RGBA), 4)

    def _stack(self, images: Iterator[NDArray[np.uint8]], channels: int) -> NDArray[np.uint8]:
        side = self.alignment.stored
        stack = np.empty((len(self.records), side, side, channels), np.uint8)
        for i, image in enumerate(images):
            stack[i] = image
        return stack

    def _images(self, named: list[tuple[str, str | None]], colour: int) -> Iterator[NDArray[np.uint8]]:
        shape = (self.alignment.stored, self.alignment.stored)
        for name, digest in named:
            path = self.folder / name
            try:
                data = path.read_bytes()
            except OSError as error:
                raise UserError(
                    f"{path} cannot be read ({error.strerror}); restore it or create the faceset again"
                ) from None
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
            if image is None or hashlib.sha256(data).hexdigest() != digest or image.shape[:2] != shape:
                raise UserError(
                    f"{path} is damaged: truncated or changed since the faceset was created; restore it or create the "
                    f"faceset again"
                )
            yield cv2.cvtColor(image, colour)
