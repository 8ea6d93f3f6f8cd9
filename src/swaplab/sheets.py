"""Sheets of faces: drawn for people to look at, and packed as arrays for pages that show single faces."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from swaplab.captions import captions

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
Faces = NDArray[np.uint8]  # (n, R, R, 3) RGB

GAP = 2  # pixels of the white line around each face
LARGEST = 192  # maximum side of a packed face, so that a direction of eight frames takes at most 3.6 MB
MOST_BYTES = 2**28  # maximum size of all arrays in a file that is read


class Columns(NamedTuple):
    """The faces of one direction, frame by frame. ``truth``: the true swaps; None if unknown."""

    source: Faces
    reconstruction: Faces
    swap: Faces
    truth: Faces | None = None

    @property
    def known(self) -> list[Faces]:
        """The columns without an unknown one."""
        return [column for column in self if column is not None]


Sheet = Mapping[str, Columns]  # by direction: "A->B"


def drawn(columns: Sequence[Faces], names: Sequence[str] = (), scale: int = 1) -> Picture:
    """Columns of n square faces as one picture of n rows with thin white lines, ``scale`` times as large, under
    ``names``."""
    framed = [np.pad(faces, ((0, 0), (GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255) for faces in columns]
    picture = np.concatenate(list(np.concatenate(framed, 2)))
    if scale > 1:
        size = (picture.shape[1] * scale, picture.shape[0] * scale)
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    return np.concatenate([captions(names, picture.shape[1]), picture]) if names else picture


def png(picture: Picture) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def packed(sheet: Sheet) -> bytes:
    """The arrays of a sheet as an npz file. Faces larger than `LARGEST` are reduced to it."""
    arrays: dict[str, Any] = {
        f"{way}/{name}": reduced(faces)
        for way, columns in sheet.items()
        for name, faces in columns._asdict().items()
        if faces is not None
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpacked(content: bytes) -> Sheet:
    """The sheet in an npz file. Raises ValueError if it is damaged or holds something else."""
    found: dict[str, dict[str, Faces]] = {}
    try:
        if sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(content)).infolist()) > MOST_BYTES:
            raise ValueError("too large")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            for key in arrays.files:
                way, _, name = key.rpartition("/")
                found.setdefault(way, {})[name] = arrays[key]
        sheet = {way: Columns(**columns) for way, columns in found.items()}
    except Exception as error:  # a damaged archive can raise anything
        raise ValueError(f"not a packed sheet ({type(error).__name__})") from None
    for columns in sheet.values():
        shapes = {(faces.dtype, faces.shape) for faces in columns.known}
        if len(shapes) > 1 or columns.source.dtype != np.uint8 or not _square(columns.source):
            raise ValueError("not a packed sheet: its columns are not square faces of one size")
    return sheet


def reduced(faces: Faces, side: int = LARGEST) -> Faces:
    """Faces with at most ``side`` pixels a side."""
    if faces.shape[1] <= side:
        return faces
    small = [Image.fromarray(face).resize((side, side), Image.Resampling.LANCZOS) for face in faces]
    return np.stack([np.asarray(face) for face in small])


def _square(faces: Faces) -> bool:
    return faces.ndim == 4 and len(faces) > 0 and faces.shape[1] == faces.shape[2] and faces.shape[3] == 3
