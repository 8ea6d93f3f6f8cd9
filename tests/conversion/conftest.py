"""Small videos of every kind that a container can hold."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray


def picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A smooth picture (H, W, 3) that tells its index by its blue."""
    x, y = np.linspace(20, 235, width)[None], np.linspace(20, 235, height)[:, None]
    return np.stack([x + 0 * y, y + 0 * x, 0 * x + 0 * y + 20 + 9 * index % 216], -1).astype(np.uint8)


def write_video(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    *,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound: str | None = None,
    sound_rate: int = 44100,
    layout: str = "mono",
    rotation: int = 0,
    **settings: Any,
) -> Path:
    """A video of `picture`, with ``times`` in units of ``time_base`` and a tone of the same length."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = *size, pixels
        video.codec_context.time_base = time_base
        for name, value in settings.items():
            setattr(video.codec_context, name, value)
        if rotation:
            video.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=sound_rate, layout=layout) if sound else None
        if audio is not None:
            audio.bit_rate = 128_000
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i, *size), format="rgb24")
            frame.pts, frame.time_base = i if times is None else times[i], time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            codec_context = audio.codec_context
            to_codec = av.AudioResampler(
                codec_context.format.name, layout, sound_rate, frame_size=codec_context.frame_size or 1024
            )
            tone = np.sin(np.arange(sound_rate * frames // 25) * 2 * np.pi * 440 / sound_rate) * 8000
            samples = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
            samples.sample_rate, samples.pts = sound_rate, 0
            for part in [*to_codec.resample(samples), *to_codec.resample(None), None]:
                container.mux(audio.encode(part))
    return path


def frames_of(path: Path) -> tuple[list[NDArray[np.uint8]], list[Fraction]]:
    """All frames and their times in seconds from the first."""
    with av.open(str(path)) as container:
        decoded = [(f.to_ndarray(format="rgb24"), f.pts * f.time_base) for f in container.decode(video=0)]
    return [image for image, _ in decoded], [time - decoded[0][1] for _, time in decoded]


def packets_of(path: Path) -> list[tuple[bytes, Fraction]]:
    """Bytes of all audio packets, and their times in seconds from the first frame."""
    with av.open(str(path)) as container:
        begin = next(f.pts * f.time_base for f in container.decode(video=0))
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        packets = [p for p in container.demux(container.streams.audio[0]) if p.dts is not None]
        return [(bytes(p), p.pts * p.time_base - begin) for p in packets]


@pytest.fixture
def videos() -> Any:
    """The functions above: pytest imports no module of tests by its name."""

    class Videos:
        picture = staticmethod(picture)
        write = staticmethod(write_video)
        frames_of = staticmethod(frames_of)
        packets_of = staticmethod(packets_of)

    return Videos
