"""Films beside each other: every column shows its own film, at the rate asked for, under its name, with the label."""

from pathlib import Path

import av
import numpy as np

from swaplab.captions import HEIGHT
from swaplab.conversion.side_by_side import SIDE, write_side_by_side
from swaplab.marking.label import Label


def film(level: int, frames: int = 6) -> np.ndarray:  # type: ignore[type-arg]
    """Grey faces (frames, 64, 64, 3) that get a little brighter."""
    return np.stack([np.full((64, 64, 3), level + 2 * i, np.uint8) for i in range(frames)])


def test_every_column_shows_its_film(tmp_path: Path) -> None:
    label = Label("AI-altered: the middle face")
    columns = {"left": film(40), "middle": film(120), "right": film(200)}
    for path, drawn in ((tmp_path / "a.mp4", None), (tmp_path / "b.mp4", label)):
        write_side_by_side(path, columns, 25, drawn)
        with av.open(str(path)) as container:
            assert container.streams.video[0].average_rate == 25
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == 6
        assert frames[0].shape == (SIDE + HEIGHT, 3 * SIDE, 3)
        for i, frame in enumerate(frames):
            strip, faces = frame[:HEIGHT], frame[HEIGHT : HEIGHT + SIDE // 2]
            for k, level in enumerate((40, 120, 200)):
                column = slice(k * SIDE + 8, (k + 1) * SIDE - 8)
                assert abs(float(faces[:, column].mean()) - level - 2 * i) < 4
                assert strip[:, column].min() < 90  # a name
                assert np.median(strip[:, column]) > 240
            assert (label.likeness(frame) > 0.9) == (drawn is not None)
