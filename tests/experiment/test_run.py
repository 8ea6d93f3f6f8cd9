"""`swaplab.Run`: arrays in, arrays out, in the same form; and what it says to everything else."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import swaplab
from swaplab.errors import UserError
from swaplab.marking.verify import verify
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState

PAGE = Path(__file__).parents[2] / "docs/library.md"
WORDS = (
    *("run_id=first", "data=facesets", "data.identities.A=faces/A", "data.identities.B=faces/B", "mask=learned"),
    *("generator.width=0.07", "generator.latent=16", "batch_size=4", "workers=0", "budget.images=80"),
    *("every.report=16", "every.validate=40", "every.sample=80", "every.checkpoint=40"),
    *("trainer.progress=false", "trainer.threads=1", "logger=none"),
)


@pytest.fixture(scope="module")
def place(facesets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two facesets, a run with a mask, and a photo."""
    from swaplab.cli.main import main

    folder = tmp_path_factory.mktemp("place")
    for name in "AB":
        shutil.copytree(facesets[name], folder / "faces" / name)
    Image.fromarray(render(person("A"), FrameState(), 192).image).save(folder / "photo.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWAPLAB_PACKAGES", "")
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["swaplab", "train", *WORDS])
        with pytest.raises(SystemExit, match="0"):
            main()
    return folder


@pytest.fixture
def run(place: Path) -> swaplab.Run:
    return swaplab.Run.open("first", place / "runs")


@pytest.fixture
def faces() -> Any:
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


def test_the_page(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(place)
    found: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)), found)
    assert capsys.readouterr().out.startswith("complete ('A', 'B') 80\n1 swapped.png.json\nA->B {")
    assert (found["swaps"].shape, found["swaps"].dtype) == (found["faces"].shape, np.uint8)
    assert (found["one"].shape, found["alpha"].shape) == ((64, 64, 3), (*found["faces"].shape[:3], 1))
    assert verify(Path("swapped.png")).intact
    assert (found["run"].folder / "evaluation/final/test.json").exists()
    assert found["run"].metrics()["evaluation/final/test/reconstruction_psnr"] > 0


def test_every_form_of_images_gives_the_same_swap_in_its_own_form(run: swaplab.Run, faces: Any) -> None:
    swaps = run.swap(faces, "A", "B")
    planes = torch.from_numpy(faces).permute(0, 3, 1, 2)
    for dtype in (np.float16, np.float32, np.float64):
        answer = run.swap(faces.astype(dtype) / dtype(255), "A", "B")
        assert answer.dtype == dtype
        assert np.abs(answer * 255.0 - swaps).max() <= (1.5 if dtype == np.float16 else 0.51)
    answer = run.swap(planes, "A", "B")
    assert (answer.dtype, answer.shape) == (torch.uint8, planes.shape)
    assert np.array_equal(answer.permute(0, 2, 3, 1).numpy(), swaps)
    answer = run.swap(planes.double() / 255, "A", "B")
    assert (answer.dtype, answer.is_inference()) == (torch.float64, False)
    single = run.swap(faces[1], "A", "B")
    assert single.shape == faces[1].shape
    assert np.abs(single.astype(int) - swaps[1]).max() <= 1
    assert run.swap(faces[:0], "A", "B").shape == (0, 64, 64, 3)
    assert np.abs(run.swap(np.concatenate([faces] * 30), "A", "B")[-3:].astype(int) - swaps).max() <= 1


def test_raw_mask_and_composed_belong_together(run: swaplab.Run, faces: Any) -> None:
    images = faces.astype(np.float32) / 255
    raw, alpha, composed = (run.swap(images, "A", "B", part=part) for part in ("raw", "mask", "composed"))
    assert alpha.shape == (3, 64, 64, 1)
    assert 0 < alpha.min() < alpha.max() < 1
    np.testing.assert_allclose(composed, alpha * raw + (1 - alpha) * images, atol=1e-5)
    assert not np.allclose(raw, run.swap(images, "A", "A", part="raw"), atol=1e-3)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((2, 80, 80, 3), np.uint8), r"\(2, 80, 80, 3\), but .* \(64, 64, 3\) or \(n, 64, 64, 3\)"),
        (torch.zeros(2, 64, 64, 3), r"\(2, 64, 64, 3\), but .* \(3, 64, 64\) or \(n, 3, 64, 64\)"),
        (np.zeros((64, 64, 4), np.uint8), r"\(64, 64, 4\), but"),
        (np.zeros((64, 64), np.uint8), r"\(64, 64\), but"),
        (np.zeros((64, 64, 3), int), "images are int64; give"),
        (torch.zeros(3, 64, 64, dtype=torch.bool), "images are torch.bool; give"),
        ([[0]], "images are list; give"),
        (np.full((64, 64, 3), 255.0), "reach from 255 to 255; give floats"),
        (np.full((64, 64, 3), np.nan), "reach from nan to nan; give floats"),
    ],
)
def test_other_images_are_refused(images: Any, said: str, run: swaplab.Run) -> None:
    with pytest.raises(UserError, match=said):
        run.swap(images, "A", "B")


def test_other_words_are_refused(run: swaplab.Run, place: Path, faces: Any, tmp_path: Path) -> None:
    for call, said in (
        (lambda: run.swap(faces, "A", "Z"), "Z is not an identity of this run; choose from A, B"),
        (lambda: run.swap(faces, "A", "B", part="alpha"), "part=alpha must be"),  # type: ignore[arg-type]
        (lambda: run.swap(faces, "A", "B", weights="last"), "weights=last must be final or best"),
        (lambda: run.swap(faces, "A", "B", device="gpu"), "device=gpu must be auto, cpu, cuda or cuda:N"),
        (lambda: run.evaluate(split="train"), "split=train must be val or test"),
        (lambda: run.convert(place / "photo.png", tmp_path / "out.png", sauce="A"), "unknown key sauce; did you mean"),
        (lambda: run.convert(place / "photo.png", tmp_path / "out.png", label=None), "label=null must be"),
        (lambda: run.convert(place / "photo.png", tmp_path / "out.png", threads=2), "threads is a key of the command"),
        (lambda: swaplab.Run.open("nothing", place / "runs"), "nothing is not a run under"),
        (lambda: swaplab.Run.open(tmp_path, place / "runs"), "is not a run under"),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_mask_says_so(
    tiny: list[str], tmp_path: Path, faces: Any, command: Callable[..., tuple[int, str, str]]
) -> None:
    assert command("train", *tiny, "run_id=plain")[0] == 0
    run = swaplab.Run.open("plain", tmp_path / "runs")
    assert (run.status, run.config["seed"]) == ("complete", 1)
    with pytest.raises(UserError, match="has no mask: its generator puts out the whole face"):
        run.swap(faces, "A", "B", part="mask")
    assert np.array_equal(run.swap(faces, "A", "B", part="raw"), run.swap(faces, "A", "B"))


def test_the_package_has_the_class_and_no_other() -> None:
    assert swaplab.Run.__module__ == "swaplab.experiment.run"
    with pytest.raises(AttributeError, match="no attribute Walk"):
        _ = swaplab.Walk
