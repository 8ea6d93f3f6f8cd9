import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import pytest

from swaplab.faces.faceset import Faceset

SMALL = [f"data.profile.default.{name}={{train: 1, val: 1, test: 1}}" for name in ("clips", "images")]


def run(*overrides: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "swaplab.apps.render", *overrides]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_it_writes_facesets_a_sheet_and_videos(tmp_path: Path) -> None:
    done = run("output=out", "data.cache=cache", "data.workers=1", "data.resolution=32", *SMALL,
               "video={seconds: 0.2, rate: 25, size: 64}", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "out" in done.stdout.splitlines()[-1]
    for name in ("A", "B"):
        assert len(Faceset.load(tmp_path / "out/facesets" / name).faces()) == 3
        with av.open(str(tmp_path / f"out/clips/{name}.mp4")) as video:
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert len(frames) == 5
        assert frames[0].shape == (64, 128, 3)
    sheet = cv2.imread(str(tmp_path / "out/preview.png"))
    assert sheet is not None
    assert sheet.std() > 30
    again = run("output=out", "data.cache=cache", cwd=tmp_path)
    assert again.returncode == 2
    assert "out exists already" in again.stderr


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.profile.default.p_glasses=2", "p_glasses is 2"),
        ("+data.profile.default.p_hat=1", "no setting 'p_hat'"),
        ("data.identities.A={person: Q}", "no built-in person 'Q'"),
        ("nonsense=1", "nonsense"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(tmp_path: Path, override: str, says: str) -> None:
    done = run("output=out", "data.cache=cache", override, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_is_quick(tmp_path: Path) -> None:
    start = time.perf_counter()
    done = run("--help", cwd=tmp_path)
    assert "swaplab-render output=people" in done.stdout
    assert time.perf_counter() - start < 1
