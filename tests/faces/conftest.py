"""Videos and faces made on the spot."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from swaplab.faces.detection import Detection

WriteVideo = Callable[..., Path]


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    pts: Sequence[int] | None = None,
    size: tuple[int, int] = (64, 48),
    gop: int | None = None,
    aspect: Fraction | None = None,
    **options: str,
) -> Path:
    """A video of RGB frames at 25 a second, or at ``pts`` in 1/1000 s; ``rotation`` goes into the display matrix."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = (frames[0].shape[1], frames[0].shape[0]) if frames else size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec.startswith("libx264"):
            stream.options = {"qp": "0"}
        if gop:
            stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, 0
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), pts[index] if pts else 40 * index
            container.mux(stream.encode(frame))
        if not frames:
            container.start_encoding()
        container.mux(stream.encode())
    return path


@pytest.fixture(name="write_video")
def _write_video() -> WriteVideo:
    return write_video


@pytest.fixture
def face_at() -> Callable[..., Detection]:
    """A detection with its box's centre and width given."""

    def make(x: float, y: float, width: float = 40, probability: float = 0.999) -> Detection:
        height = 1.3 * width
        box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        shares = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.78], [0.65, 0.78]])
        return Detection(box, probability, box[:2] + shares * [width, height])

    return make
