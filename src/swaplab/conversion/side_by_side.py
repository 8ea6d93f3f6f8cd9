"""Films of aligned faces beside each other: a source, what a model makes of it, and what it should be."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.captions import captions
from swaplab.marking.label import Label

SIDE = 256  # pixels of a face, at least
QUALITY = {"crf": "20", "preset": "medium"}

Pixels = NDArray[np.uint8]


def write_side_by_side(path: Path, columns: Mapping[str, Pixels], rate: int, label: Label | None = None) -> None:
    """Write an H.264 video whose columns are films (n, R, R, 3) RGB under their names.

    Faces below `SIDE` are enlarged by a whole number. ``label`` is drawn on every frame.
    """
    films = list(columns.values())
    scale = max(1, -(-SIDE // films[0].shape[1]))
    side = films[0].shape[1] * scale
    strip = captions(list(columns), side * len(films))
    with av.open(str(path), "w", container_options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options=QUALITY)
        stream.width, stream.height, stream.pix_fmt = side * len(films), side + len(strip), "yuv420p"
        for faces in zip(*films, strict=True):
            large = [cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC) for face in faces]
            image = np.concatenate([strip, np.concatenate(large, 1)])
            image = image if label is None else label.draw(image)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
