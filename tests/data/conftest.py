"""Small facesets on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import Faceset, FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.randomness import generator_at

MakeFaceset = Callable[..., Faceset]


def known(clip: str = "c", frame: int = 0, time: float = 0.0, **more: Any) -> dict[str, Any]:
    """Fields of a record that say nothing of interest."""
    return {
        "source": "s", "clip": clip, "frame": frame, "time": time, "box": [0.0, 0.0, 9.0, 9.0],
        "landmarks": [[1.0, 2.0]] * 5, "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], **more,
    }  # fmt: skip


@pytest.fixture
def make_faceset(tmp_path: Path) -> MakeFaceset:
    """Writes a faceset of blocky noise: ``clips`` maps a clip's name to the times of its faces."""

    def make(
        identity: str = "A", clips: dict[str, list[float]] | None = None, region: int = 16, masks: bool = False,
        splits: dict[str, str] | None = None,
    ) -> Faceset:  # fmt: skip
        clips = clips or {f"clip{i}": [j / 5 for j in range(4)] for i in range(10)}
        alignment = Alignment(region)
        folder = tmp_path / f"{identity}-{region}-{len(list(tmp_path.iterdir()))}"
        with FacesetWriter(folder, identity, Ground("synthetic"), alignment) as writer:
            for clip, times in clips.items():
                for frame, time in enumerate(times):
                    draw = generator_at(0, identity, clip, frame)
                    blocks = draw.integers(0, 256, (alignment.stored // 4, alignment.stored // 4, 7), dtype=np.uint8)
                    pixels = np.kron(blocks, np.ones((4, 4, 1), np.uint8))
                    fields = known(clip, frame, time, split=splits[clip] if splits else None)
                    writer.add(pixels[..., :3], pixels[..., 3:] if masks else None, **fields)
        return Faceset.load(folder)

    return make
