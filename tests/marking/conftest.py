"""Small real media of every kind that is written, a signing key of the test's own, and a claim."""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from swaplab.marking.claim import Claim, GroundDigest
from swaplab.marking.label import Label
from swaplab.marking.writer import SUFFIXES, write_marked

HEIGHT, WIDTH, FRAMES = 96, 160, 6

Media = Callable[[Path, Label | None], None]


def picture(seed: int = 0) -> NDArray[np.uint8]:
    """A smooth coloured picture (96, 160, 3) with some grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = np.stack([np.sin(x / 17 + seed), np.cos(y / 11), np.sin((x + y) / 23)], -1)
    return (128 + 90 * waves + rng.normal(0, 6, waves.shape)).clip(0, 255).astype(np.uint8)


def write_video(path: Path, label: Label | None) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "20", "threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for i in range(FRAMES):
            image = label.draw(picture(i)) if label else picture(i)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        tone = np.sin(np.arange(4096) / 5).astype(np.float32)[None]
        for i in range(4):
            sound = av.AudioFrame.from_ndarray(tone[:, i * 1024 : (i + 1) * 1024], format="fltp", layout="mono")
            sound.rate, sound.pts, sound.time_base = 16000, i * 1024, Fraction(1, 16000)
            container.mux(audio.encode(sound))
        container.mux(audio.encode())


@pytest.fixture(autouse=True)
def signing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's signing key is, or will be."""
    folder = tmp_path / "keys" / "signing"
    monkeypatch.setenv("SWAPLAB_SIGNING", str(folder))
    monkeypatch.delenv("SWAPLAB_TRUST", raising=False)
    return folder


@pytest.fixture
def media() -> Media:
    """Writes a small picture or video with sound; what kind, the suffix says."""

    def write(path: Path, label: Label | None = None) -> None:
        if SUFFIXES[path.suffix.lower()] == "video":
            write_video(path, label)
        else:
            Image.fromarray(label.draw(picture()) if label else picture()).save(path, quality=92)

    return write


@pytest.fixture
def claim() -> Callable[..., Claim]:
    """A claim of the kind that a suffix asks for."""

    def make(suffix: str, label: Label | None = Label(), elsewhere: str | None = None) -> Claim:  # noqa: B008
        kind = SUFFIXES[suffix.lower()]
        ground = GroundDigest("synthetic", hashlib.sha256(b"ground").hexdigest())
        frames = FRAMES if kind == "video" else 1
        return Claim(kind, "s1-0123456789", "c" * 64, "d" * 64, ground, ground, frames, 1, label, elsewhere)

    return make


@pytest.fixture
def marked(tmp_path: Path, media: Media, claim: Callable[..., Claim]) -> Callable[[str], Path]:
    """Writes a marked file of the given suffix, with its original beside it; returns the file's path."""

    def write(suffix: str) -> Path:
        original, output = tmp_path / f"original{suffix}", tmp_path / "out" / f"converted{suffix}"
        output.parent.mkdir(exist_ok=True)
        media(original, None)
        write_marked(output, original, claim(suffix), lambda path: media(path, Label()))
        return output

    return write
