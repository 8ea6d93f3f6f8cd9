"""swaplab demo: from nothing to a picture, a page and a marked clip, by one command that resumes."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from swaplab.marking.verify import verify

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("sead=2", "did you mean seed"),
        ("seed=-1", "seed"),
        ("images=0", "images"),
        ("images=many", "images"),
        ("experiment=quick", "experiment"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_leaves_nothing(
    word: str, says: str, tmp_path: Path, command: Command
) -> None:
    code, out, err = command("demo", word, f"runs={tmp_path / 'runs'}")
    assert (code, out) == (2, "")
    assert err.startswith("swaplab demo: ")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_whole_demo_at_a_tiny_budget(tmp_path: Path, command: Command) -> None:
    words = ["demo", "seed=3", "images=160", f"runs={tmp_path / 'a = b'}"]
    code, out, err = command(*words)
    assert code == 0, err
    (run,) = (tmp_path / "a = b" / "demo").iterdir()
    *_, look, page, nxt = out.splitlines()
    assert look.split(":", 1) == ["look at this picture", f"  {run}/demo.png"]
    assert page.split(":", 1) == ["open this page", f"        {run}/report.html"]
    assert nxt.startswith("try this next:         swaplab train experiment=demo ")
    assert "| score: 1 is the true swap, 0 the best trivial baseline" in out
    height, width, _ = cv2.imread(str(run / "demo.png")).shape
    assert (height, width) == (4 * 3 * 68 + 32, 8 * 3 * 68)

    content = json.loads((run / "evaluation" / "final" / "test.json").read_text())
    assert [way["direction"] for way in content["directions"]] == ["A->B", "B->A"]
    for way in ("A_to_B", "B_to_A"):
        clip = run / "evaluation" / "final" / f"test-{way}.mp4"
        assert 20_000 < clip.stat().st_size < 500_000
        assert verify(clip).intact
    assert (run / "report.html").stat().st_size < 3_000_000

    seen = json.loads((run / "run.json").read_text())["images_seen"]
    code, again, err = command(*words)
    assert code == 0, err
    assert "already complete" in again
    assert again.splitlines()[-3:] == [look, page, nxt]
    assert json.loads((run / "run.json").read_text())["images_seen"] == seen == 160
