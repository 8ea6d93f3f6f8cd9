from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from swaplab.faces.faceset import Faceset

Process = Callable[..., Any]
SMALL = [f"data.profile.default.{name}={{train: 1, val: 1, test: 1}}" for name in ("clips", "images")]


def test_it_writes_facesets_a_sheet_and_videos(tmp_path: Path, process: Process) -> None:
    done = process("render", "output=out", "data.cache=cache", "data.workers=1", "data.resolution=32", *SMALL,
               "video.seconds=0.2", "video.rate=25", "video.size=64", cwd=tmp_path)  # fmt: skip
    assert done.wait() == 0, done.err
    assert "out" in done.out.splitlines()[-1]
    for name in ("A", "B"):
        assert len(Faceset.load(tmp_path / "out/facesets" / name).faces()) == 3
        with av.open(str(tmp_path / f"out/clips/{name}.mp4")) as video:
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert len(frames) == 5
        assert frames[0].shape == (64, 128, 3)
    sheet = cv2.imread(str(tmp_path / "out/preview.png"))
    assert sheet is not None
    assert sheet.std() > 30
    again = process("render", "output=out", "data.cache=cache", cwd=tmp_path)
    assert again.wait() == 2
    assert "out already exists" in again.err


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.profile.default.p_glasses=2", "p_glasses=2 must be a number from 0 to 1"),
        ("+data.profile.default.p_hat=1", "unknown key data.profile.default.p_hat"),
        ("data.identities.A={person: Q}", "data.identities.A.person=Q must be A or B"),
        ("+data.identities.C.seed=-1", "data.identities.C.seed=-1 must be"),
        ("+data.identities.C.sead=1", "unknown key data.identities.C.sead; did you mean"),
        ("nonsense=1", "nonsense"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, process: Process, override: str, says: str
) -> None:
    done = process("render", "output=out", "data.cache=cache", override, cwd=tmp_path)
    assert done.wait() == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []
