"""swaplab evaluate on people whose true swap nobody knows: facesets of drawn faces, as real video gives them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.randomness import generator_at

ALIGNMENT = Alignment(64)
SAMPLES = 8


def drawn(identity: str, clip: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """A cartoon face that looks about and speaks, and its masks, stored size; people differ in colour and width."""
    g = generator_at(0, "drawn", identity, clip, frame)
    side, scale = ALIGNMENT.stored, ALIGNMENT.region
    look, jaw = int(g.integers(-4, 5)), int(g.integers(1, 7))
    skin, width = ((200, 150, 120), 20) if identity == "A" else ((90, 45, 30), 34)
    image = np.full((side, side, 3), (90, 110, 130), np.uint8)
    masks = np.zeros((side, side, 4), np.uint8)
    middle = side // 2
    for canvas, colour in ((image, skin), (masks, (255, 0, 0, 0))):
        cv2.ellipse(canvas, (middle, middle), (width, scale * 2 // 5), 0, 0, 360, colour, -1)
    for sign in (-1, 1):
        cv2.circle(image, (middle + look + sign * scale // 5, middle - 12), 3, (30, 20, 20), -1)
    cv2.ellipse(image, (middle + look, middle + 15), (8, jaw), 0, 0, 360, (120, 30, 40), -1)
    return image, masks


def filmed(folder: Path, identity: str, clips: int, frames: int) -> Path:
    """A faceset of so many clips of 5 frames a second."""
    with FacesetWriter(folder, identity, Ground("self"), ALIGNMENT) as writer:
        for clip in range(clips):
            for frame in range(frames):
                image, masks = drawn(identity, clip, frame)
                known = {"source": "drawn", "box": [0, 0, 1, 1], "landmarks": [], "matrix": [[1, 0, 0], [0, 1, 0]]}
                writer.add(image, masks, clip=f"clip{clip}", frame=frame, time=frame / 5, **known)
    return folder


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A in four clips, B in one, which is cut into blocks."""
    folder = tmp_path_factory.mktemp("drawn")
    return {"A": filmed(folder / "A", "A", 4, 12), "B": filmed(folder / "B", "B", 1, 65)}


def test_real_people_are_measured_without_a_true_swap(
    weak: dict[str, Path], tiny: list[str], tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    identities = [f"data.identities.{name}={folder}" for name, folder in weak.items()]
    settings = [setting for setting in tiny if not setting.startswith("data.identities")]
    assert command("train", *settings, *identities, "run_id=r")[0] == 0
    (run,) = (tmp_path / "runs").rglob("run.json")
    code, out, err = command("evaluate", f"run={run.parent}", "split=test", "threads=1")
    assert (code, err) == (0, "")

    # What a reader sees: the split is weak, and the similarity lies between that of A itself and of real B.
    assert re.match(
        r"weights: final \([0-9a-f]{16}\)\n\nweak split: parts of the same clips, one second apart", out.strip()
    )
    assert len(re.findall(r"identity -?[\d.]+ \(0: real source, cosine [\d.]+; 1: real target, [\d.]+;", out)) == 2
    assert len(re.findall(r"head turned [\d.]+ degrees from the query's \(mean [AB] [\d.]+\)\.", out)) == 2
    assert "true swap" not in out

    folder = run.parent / "evaluation/final"
    final = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert command("evaluate", f"run={run.parent}", "split=test", "weights=best", "threads=1")[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == final
    best, last = (json.loads((run.parent / f"evaluation/{w}/test.json").read_text()) for w in ("best", "final"))
    assert (best["weights"], last["weights"]) == ("best", "final")

    written = json.loads((run.parent / "evaluation/final/test.json").read_text())
    assert written["weak"] is True
    for direction, source in zip(written["directions"], "AB", strict=True):
        rows = {row["key"]: row["values"] for row in direction["rows"]}
        assert {"model", "copy", "colour_match", "mean", "components", "nearest", "real"} <= set(rows)
        for start in ("identity_cosine[", "landmark_distance[", "pose_difference[", "mouth_correlation["):
            assert any(name.startswith(start) for name in rows["model"])
        for name, value in rows["copy"].items():
            if "_difference[" in name or "landmark_distance" in name:
                assert value == pytest.approx(0, abs=1e-6)
        cosine, floor, ceiling = (
            next(value for name, value in rows[key].items() if name.startswith("identity["))
            for key in ("model", "copy", "real")
        )
        assert (floor, ceiling) == pytest.approx((0, 1))
        assert np.isfinite(cosine)
        assert not [name for name in rows["model"] if name.startswith(("score", "psnr", "retrieval", "coherence"))]

        frames, way = len(direction["frames"]), direction["direction"].replace("->", "_to_")
        assert direction["direction"][0] == source
        for sheet in ("samples", "worst", "best"):
            picture = cv2.imread(str(run.parent / "evaluation/final" / f"test-{way}-{sheet}.png"))
            assert picture.shape == (min(frames, SAMPLES) * 68, 3 * 68, 3)  # face, reconstruction, swap; no true swap
