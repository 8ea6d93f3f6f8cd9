"""The page of one run: its sentence, its faces, its clips, its size."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from swaplab.report.faces import CLIPS_BYTES, SIDE, of_training, showcases
from swaplab.report.page import write_report
from swaplab.report.reading import ReportedRun, read_run
from swaplab.report.summary import summary
from swaplab.runs.record import RunRecord
from swaplab.runs.sheets import write_newest, write_sheet
from swaplab.sheets import Columns

CONFIG: dict[str, Any] = {
    "generator": {"_target_": "swaplab.networks.autoencoder.Autoencoder"},
    "discriminator": None,
    "data": {"kind": "synthetic"},
    "budget": {"images": 64_000},
}
FACTS: dict[str, Any] = {
    "name": "quick",
    "parameters": {"generator": 1_024_854},
    "faces": {"identities": ["A", "B"]},
    "grounds": {"A": {"kind": "synthetic"}, "B": {"kind": "synthetic"}},
    "environment": {"threads": 1, "accelerators": []},
}
FRAMES = 5
TINTS = {"source": (200, 0, 0), "reconstruction": (0, 200, 0), "swap": (0, 0, 200), "true swap": (90, 90, 90)}


def columns(side: int, *tints: tuple[int, int, int], grain: float = 0.0) -> Columns:
    """Columns of `FRAMES` faces of these colours."""
    rng = np.random.default_rng(0)
    faces = [np.array(tint) + rng.normal(0, grain, (FRAMES, side, side, 3)) for tint in tints]
    return Columns(*(each.clip(0, 255).astype(np.uint8) for each in faces))


def run_of(
    folder: Path, *, side: int = 16, grain: float = 0.0, ways: tuple[str, ...] = ("A->B", "B->A"), **facts: Any
) -> Path:
    """A run with sheets of every kind."""
    record = RunRecord.create(folder, CONFIG, FACTS | facts)
    record.add_metrics({"images_seen": 20_000, "val/reconstruction_mse": 0.01})
    record.end("complete", "the budget is spent", images_seen=20_000, cost={"seconds": 112.0})
    found = []
    for way in ways:
        values = {"score": 0.2, "psnr": 25.0, "mse": 0.003}
        rows = [{"key": "model", "label": "model", "kind": "model", "values": values}]
        chosen = {"samples": [0, 1, 2, 3, 4], "worst": [3, 1, 0, 2, 4], "best": [4, 2, 0, 1, 3]}
        per_frame = {"psnr": [20.0, 21.0, 22.0, 23.0, 24.0]}
        metrics = {name: {"group": "swap", "better": "higher", "meaning": name} for name in values}
        found.append({"direction": way, "rows": rows, "metrics": metrics, "sheets": chosen, "per_frame": per_frame})
    place = folder / "evaluation/final"
    place.mkdir(parents=True)
    content = {"split": "test", "weights": "final", "weak": False, "directions": found}
    (place / "test.json").write_text(json.dumps(content))
    for way in ways:
        for name in ("samples", "worst", "best"):
            shown = columns(side, *TINTS.values(), grain=grain)
            write_sheet(place / f"test-{way.replace('->', '_to_')}-{name}.png", {way: shown})
    return folder


def shown(run: ReportedRun) -> list[Any]:
    return showcases(run, run.evaluations[0], [])


def colour(uri: str) -> list[int]:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB")).mean((0, 1)).round(-1).astype(int).tolist()


def test_the_rows_are_source_swap_true_swap_and_reconstruction(tmp_path: Path) -> None:
    one, other = shown(read_run(run_of(tmp_path / "s1")))
    assert (one.direction, other.direction) == ("A → B", "B → A")
    assert [view.name for view in one.views] == ["fixed", "worst", "best"]
    view = one.views[1]
    assert view.rows == ["source", "swap", "true swap", "reconstruction"]
    for frame in view.frames:
        assert [colour(face.uri) for face in frame.faces] == [
            pytest.approx(TINTS[row], abs=10) for row in view.rows
        ]  # and nothing of the white lines between
    assert [frame.text for frame in view.frames] == ["23.00 dB", "21.00 dB", "20.00 dB", "22.00 dB", "24.00 dB"]


def test_real_people_have_no_row_of_true_swaps(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "s1")
    place = folder / "evaluation/final"
    content = json.loads((place / "test.json").read_text())
    for way in content["directions"]:
        way["rows"][0]["values"], way["per_frame"] = {"landmark_distance[fan]": 0.05}, {}
    (place / "test.json").write_text(json.dumps(content))
    for path in place.glob("*.png"):
        way = path.stem.split("-")[1].replace("_to_", "->")
        write_sheet(path, {way: columns(16, *(TINTS[name] for name in ("source", "reconstruction", "swap")))})
    view = shown(read_run(folder))[0].views[0]
    assert view.rows == ["source", "swap", "reconstruction"]
    assert [colour(face.uri) for face in view.frames[0].faces] == [pytest.approx(TINTS[r], abs=10) for r in view.rows]
    text = write_report([folder], tmp_path / "r.html").read_text()
    assert "the true swap is known for rendered people only" in text


def test_a_clip_is_taken_in_if_it_is_small_and_named_if_it_is_not(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "s1")
    place = folder / "evaluation/final"
    (place / "test-A_to_B.mp4").write_bytes(b"small")
    (place / "test-B_to_A.mp4").write_bytes(bytes(CLIPS_BYTES // 2 + 1))
    small, large = (each.clip for each in shown(read_run(folder)))
    assert small.uri == f"data:video/mp4;base64,{base64.b64encode(b'small').decode()}"
    assert (large.uri, large.path) == ("", "evaluation/final/test-B_to_A.mp4")
    text = write_report([folder], tmp_path / "r.html").read_text()
    assert text.count("<video") == 1
    assert "it is <code>evaluation/final/test-B_to_A.mp4</code> in the run folder" in text


def test_a_damaged_sheet_is_named(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "s1")
    (folder / "evaluation/final/test-A_to_B-worst.npz").write_bytes(b"PK")
    text = write_report([folder], tmp_path / "r.html").read_text()
    assert "the faces of final/test-A_to_B-worst.png cannot be shown" in text


def test_what_a_direction_is_called_leads_to_no_other_file(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "s1")
    place = folder / "evaluation/final"
    for kind in (".png", ".npz"):
        (place / f"test-A_to_B-worst{kind}").rename(tmp_path / f"secret-samples{kind}")
    (place / "test-").mkdir()
    content = json.loads((place / "test.json").read_text())
    content["directions"] = [content["directions"][0] | {"direction": "/../../../../secret"}]
    (place / "test.json").write_text(json.dumps(content))
    assert (place / "test-/../../../../secret-samples.png").exists()
    assert shown(read_run(folder)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "ways"), [(256, ("A->B", "B->A")), (192, tuple(f"{a}->{b}" for a in "ABC" for b in "DE"))]
)
def test_large_faces_of_many_directions_stay_below_3_mb(tmp_path: Path, side: int, ways: tuple[str, ...]) -> None:
    folder = run_of(tmp_path / "s1", side=side, grain=4.0, ways=ways)  # with more grain than faces have
    for way in ways:
        clip = folder / "evaluation/final" / f"test-{way.replace('->', '_to_')}.mp4"
        clip.write_bytes(bytes(CLIPS_BYTES // len(ways)))
    assert write_report([folder], tmp_path / "r.html").stat().st_size < 3e6
    widths = {face.width for view in shown(read_run(folder))[0].views for frame in view.frames for face in frame.faces}
    assert max(widths) <= SIDE


def test_the_sentence_says_what_was_trained_on_whom_and_for_how_long(tmp_path: Path) -> None:
    run = read_run(run_of(tmp_path / "s1"))
    assert summary(run) == (
        "An autoencoder of 1.0 million parameters was trained on A and B (rendered people) "
        "for 20,000 of 64,000 images, in 1 min 52 s on 1 CPU thread."
    )


def test_the_sentence_of_another_run_says_other_things(tmp_path: Path) -> None:
    facts = {
        "faces": {"identities": ["anna", "ben", "cleo"]},
        "grounds": {name: {"kind": kind} for name, kind in (("anna", "self"), ("ben", "consent"), ("cleo", "self"))},
        "environment": {"accelerators": ["NVIDIA H100"]},
        "parameters": {"generator": 82_000_000},
    }
    folder = run_of(tmp_path / "s1", **facts)
    run = read_run(folder)
    run.config.update(discriminator={"_target_": "x.Patch"}, generator={"_target_": "mine.FaceSwapper2"})
    assert summary(run) == (
        "A face swapper2 of 82 million parameters, with a discriminator, was trained on anna, ben and cleo (people who "
        "consented or the user) for 20,000 of 64,000 images, in 1 min 52 s on NVIDIA H100."
    )


def test_a_record_that_knows_nothing_gets_a_sentence(tmp_path: Path) -> None:
    RunRecord.create(tmp_path / "s1", {}, {})
    assert summary(read_run(tmp_path / "s1")) == "A generator was trained on its faces for 0 images."


def test_a_run_that_nobody_measured_shows_its_newest_sheet_and_the_command(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "s1")
    (folder / "evaluation/final/test.json").unlink()
    others = [(0, 0, 0)] * 4
    write_newest(folder / "samples/000016000.png", {"A->B": columns(16, *others), "B->A": columns(16, *others)})
    newest = {"A->B": columns(16, *TINTS.values()), "B->A": columns(16, *others)}
    write_newest(folder / "samples/000020000.png", newest)
    first, second = of_training(read_run(folder))
    assert (first.direction, second.direction) == ("A → B", "B → A")
    (view,) = first.views
    assert "after 20,000 images" in view.note
    assert colour(view.frames[0].faces[1].uri) == pytest.approx(TINTS["swap"], abs=10)
    text = write_report([folder], tmp_path / "r.html").read_text()
    assert text.count("nothing is measured on held-out clips") == 1
    assert f"run={folder} split=test</code> measures the test clips" in text
