"""All marks are found in what was written, whatever its size and whatever it shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from swaplab.conversion.video_writer import VideoWriter
from swaplab.faces.media import Video
from swaplab.marking.claim import Claim
from swaplab.marking.label import Label
from swaplab.marking.verify import verify
from swaplab.marking.writer import write_marked

# Height, width.
FEW = [(64, 64), (65, 67), (301, 66), (289, 361)]
MANY = [(4096, 4096), (4095, 64), (65, 4096), (2161, 3839), (1079, 1921), (719, 405), (97, 1023), (577, 99)]


def black(height: int, width: int) -> Any:
    return np.zeros((height, width, 3), np.uint8)


def white(height: int, width: int) -> Any:
    return np.full((height, width, 3), 255, np.uint8)


def noise(height: int, width: int) -> Any:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def stripes(height: int, width: int) -> Any:
    return np.tile((np.arange(width) // 2 % 2 * 255).astype(np.uint8)[None, :, None], (height, 1, 3))


def checks(height: int, width: int) -> Any:
    y, x = np.mgrid[:height, :width]
    return np.repeat(((y // 7 + x // 7) % 2 * 255).astype(np.uint8)[..., None], 3, 2)


def face(height: int, width: int) -> Any:
    """Skin with a lit side, two eyes and a mouth that cover the place of the label."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    skin = np.stack([200 + 40 * x, 150 + 30 * x, 120 + 20 * y], -1)
    dark = (
        (np.hypot(x - 0.7, y - 0.8) < 0.1)
        | (np.hypot(x + 0.7, y - 0.8) < 0.1)
        | ((abs(x) < 0.4) & (abs(y - 0.9) < 0.05))
    )
    return np.where(dark[..., None], 20, skin).clip(0, 255).astype(np.uint8)


CONTENTS = [black, white, noise, stripes, checks, face]


def written(path: Path, image: Any, lossless: Path) -> None:
    """A labelled picture, or a video of it through the writer of conversions."""
    if path.suffix != ".mp4":
        Image.fromarray(Label().draw(image)).save(path, quality=95)
        return
    with Video.open(lossless) as video, VideoWriter(path, video) as writer:
        for frame in video.frames():
            writer.write(Label().draw(writer.fitted(frame.image)), frame.pts)


def check(folder: Path, image: Any, suffix: str, claim: Callable[..., Claim]) -> None:
    original, output = folder / "original.mov", folder / f"output{suffix}"
    with av.open(str(original), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "rgb24"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    write_marked(output, original, claim(suffix), lambda path: written(path, image, original), overwrite=True)
    verification = verify(output)
    assert verification.intact, verification.problems
    likeness = float(verification.marks[1].found.split()[-1].rstrip(")"))
    assert likeness >= 0.95


@pytest.mark.parametrize("content", CONTENTS)
def test_marks_are_found_at_every_size(
    content: Callable[..., Any], tmp_path: Path, claim: Callable[..., Claim]
) -> None:
    for index, size in enumerate(FEW):
        check(tmp_path, content(*size), ".jpg" if index == 2 else ".mp4", claim)


@pytest.mark.slow
@pytest.mark.parametrize("content", CONTENTS)
def test_marks_are_found_at_many_sizes(
    content: Callable[..., Any], tmp_path: Path, claim: Callable[..., Claim]
) -> None:
    rng = np.random.default_rng(0)
    drawn = (np.exp2(rng.uniform(6, 10.5, (12, 2)))).astype(int).tolist()
    for size in [*MANY, *FEW, *drawn]:
        check(tmp_path, content(*size), ".mp4", claim)
        if max(size) < 1100:
            check(tmp_path, content(*size), ".jpg", claim)
            check(tmp_path, content(*size), ".png", claim)
