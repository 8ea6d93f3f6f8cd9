"""swaplab extract from end to end, and what it says to every kind of bad input."""

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from swaplab.faces.alignment import five_points
from swaplab.faces.faceset import Faceset
from swaplab.faces.ground import Ground
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.rendering import Rendering, render
from swaplab.synthetic.states import FrameState

Command = Callable[..., tuple[int, str, str]]
CLIP = Clip(0, "A", "test", 1, IdentityProfile(Count(1, 1, 1), Count(1, 1, 1), Count(1, 1, 1)))
SIZE = 256
# Of the face region in its stored crop, homogeneous.
CORNERS = np.array([[16, 16, 1], [80, 16, 1], [16, 80, 1], [80, 80, 1]]).T


@pytest.fixture(scope="module")
def filmed() -> list[Rendering]:
    """Eight frames of a rendered person, a fifth of a second apart."""
    return [render(person("A"), CLIP.state(index / 5), SIZE) for index in range(8)]


def film(path: Path, frames: list[Any], step: int = 200, rotation: int = 0) -> Path:
    """A video of RGB frames, ``step`` milliseconds apart."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"crf": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), step * index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def refused(command: Command, folder: Path, *words: str, identity: str = "identity=A") -> str:
    """The sentence of a command that must refuse and leave ``folder`` as it was."""
    before = contents(folder)
    code, _, complaint = command("extract", identity, *words)
    assert code == 2, complaint
    assert complaint.startswith("swaplab extract: ")
    assert complaint.count("\n") == 1
    assert contents(folder) == before
    return complaint


def test_a_clip_becomes_a_faceset_near_the_truth(command: Command, filmed: list[Rendering], tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", [r.image for r in filmed])
    words = [f"input={clip}", "identity=A", "ground=synthetic", f"output={tmp_path / 'faces' / 'A'}"]
    code, said, complaint = command("extract", *words)
    assert code == 0, complaint
    for part in ("8 faces in 8 frames of 1 clip(s)", "0 frames without the face", "0 other faces", "seconds: decoding",
                 "detection", "landmarks", f"faceset: {tmp_path / 'faces' / 'A'}", "sheet.png"):  # fmt: skip
        assert part in said
    faceset = Faceset.load(tmp_path / "faces" / "A")
    assert (faceset.identity, faceset.ground, faceset.alignment.region) == ("A", Ground("synthetic"), 64)
    assert faceset.faces().shape == (8, 96, 96, 3)
    sheet = cv2.imread(str(tmp_path / "faces" / "A" / "sheet.png"))
    assert sheet is not None
    assert sheet.std() > 20
    assert [record.time for record in faceset.records] == [index / 5 for index in range(8)]
    masks, errors = faceset.masks(), []
    for index, (record, rendering) in enumerate(zip(faceset.records, filmed, strict=True)):
        landmarks, matrix = np.array(record.landmarks), np.array(record.matrix)
        between_eyes = np.linalg.norm(np.subtract(*five_points(rendering.landmarks)[:2]))
        errors.append(np.linalg.norm(landmarks - rendering.landmarks, axis=1).mean() / between_eyes)
        true = faceset.alignment.matrix(five_points(rendering.landmarks))
        back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
        assert np.linalg.norm(true @ back @ CORNERS - CORNERS[:2], axis=0).mean() < 0.12 * 64
        expected = faceset.alignment.cut(rendering.masks, matrix)[..., 0] > 127
        found = masks[index, ..., 0] > 127
        assert (found & expected).sum() / (found | expected).sum() > 0.75
    assert np.median(errors) < 0.12


def test_a_turned_clip_gives_the_same_faces(command: Command, filmed: list[Rendering], tmp_path: Path) -> None:
    upright = film(tmp_path / "a.mp4", [r.image for r in filmed[:2]])
    turned = film(tmp_path / "b.mp4", [np.rot90(r.image, -1) for r in filmed[:2]], rotation=90)
    for clip in (upright, turned):
        words = [f"input={clip}", f"identity={clip.stem}", "ground=synthetic", f"output={tmp_path / clip.stem}"]
        code, _, complaint = command("extract", *words)
        assert code == 0, complaint
    first, second = (Faceset.load(tmp_path / name) for name in "ab")
    for one, other in zip(first.records, second.records, strict=True):
        # The codec sees the two differently, and the detector moves with it: by less than two pixels of the crop.
        back = np.linalg.inv(np.vstack([np.array(one.matrix), [0, 0, 1]]))
        assert np.linalg.norm(np.array(other.matrix) @ back @ CORNERS - CORNERS[:2], axis=0).max() < 2
        assert np.abs(np.subtract(one.landmarks, other.landmarks)).mean() < 3


def test_pictures_of_every_kind_and_paths_as_typed(command: Command, filmed: list[Rendering], tmp_path: Path) -> None:
    folder = tmp_path / "My föto's, (2) = ${new} {a} [b] 日本"
    folder.mkdir()
    image = filmed[0].image
    Image.fromarray(image).save(folder / "1 plain, (a).png")
    Image.fromarray(image).convert("L").save(folder / "2 grey.png")
    Image.fromarray(np.dstack([image, np.full((SIZE, SIZE), 7, np.uint8)])).save(folder / "3 alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(image))).save(folder / "4 turned.jpg", exif=exif, quality=97)
    output = tmp_path / "faces, of=Å (1)" / "${x}"
    words = [f"input={folder}", "identity=Zoë, (b)", "ground=licensed", "licence=CC BY 4.0", f"output={output}"]
    code, said, complaint = command("extract", *words, "link=https://example.org/a?b=c&d={e}", "sheet=0")
    assert code == 0, complaint
    assert str(output) in said
    faceset = Faceset.load(output)
    assert faceset.identity == "Zoë, (b)"
    assert faceset.ground == Ground("licensed", licence="CC BY 4.0", link="https://example.org/a?b=c&d={e}")
    assert not (output / "sheet.png").exists()
    assert {record.clip for record in faceset.records} == {folder.name}
    faces = faceset.faces().astype(int)
    assert len(faces) == 4
    assert np.abs(faces[0] - faces[2]).max() == 0
    assert np.abs(faces[0] - faces[3]).mean() < 4
    assert np.ptp(faces[1], axis=-1).max() == 0
    matrices = np.array([record.matrix for record in faceset.records])
    assert np.abs(matrices[:, :, :2] - matrices[0, :, :2]).max() < 0.05


def test_one_frame_is_enough_and_many_faces_are_counted(
    command: Command, filmed: list[Rendering], tmp_path: Path
) -> None:
    crowd = np.full((SIZE, 700, 3), 120, np.uint8)
    crowd[:, :SIZE] = filmed[0].image
    for place, who in enumerate("BA"):
        crowd[40:200, 300 + 180 * place : 460 + 180 * place] = render(person(who), FrameState(), 160).image
    clip = film(tmp_path / "crowd.mp4", [crowd])
    words = [f"input={clip}", "identity=A", "ground=self", f"output={tmp_path / 'A'}"]
    code, said, _ = command("extract", *words)
    assert code == 0
    assert "1 faces in 1 frames of 1 clip(s); 0 frames without the face; 2 other faces, not kept" in said
    (record,) = Faceset.load(tmp_path / "A").records
    assert record.box[2] < SIZE


def test_every_bad_input_is_one_sentence_and_leaves_nothing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "junk, (1).mp4").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "nothing").mkdir()
    Image.fromarray(np.full((200, 300, 3), 128, np.uint8)).save(tmp_path / "wall.png")
    whole = (tmp_path / "wall.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with av.open(str(tmp_path / "zero.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    rest = ("ground=self", f"output={tmp_path / 'deep' / 'A'}")
    says = {
        "gone.mp4": "gone.mp4 does not exist; check the path",
        "empty.mp4": "empty.mp4 is empty (0 bytes); copy or record it again",
        "junk, (1).mp4": "junk, (1).mp4 is neither a picture nor a video that can be read",
        "zero.avi": "zero.avi has no frame that can be decoded",
        "half.png": "half.png is damaged (",
        "nothing": "nothing has no picture or video",
        "wall.png": "no face was found in 1 frame(s)",
    }
    for name, sentence in says.items():
        assert sentence in refused(command, tmp_path, f"input={tmp_path / name}", *rest)
    assert "input is missing" in refused(command, tmp_path, *rest)
    assert 'input="" must be a non-empty string' in refused(command, tmp_path, "input=", *rest)


def test_no_ground_no_faces(command: Command, tmp_path: Path) -> None:
    (tmp_path / "half.yaml").write_text("who: me\n")
    rest = (f"input={tmp_path / 'any.mp4'}", f"output={tmp_path / 'A'}")

    def complaint(*words: str) -> str:
        return refused(command, tmp_path, *rest, *words)

    assert "ground is missing, which says why this face may be used; set ground=self" in complaint()
    assert "ground=friend must be self, consent, licensed or synthetic or null" in complaint("ground=friend")
    assert "ground=consent needs a statement file" in complaint("ground=consent")
    gone = complaint("ground=consent", f"statement={tmp_path / 'gone, (1).yaml'}")
    assert "gone, (1).yaml cannot be read" in gone
    assert "lacks scope, date" in complaint("ground=consent", f"statement={tmp_path / 'half.yaml'}")
    assert "needs the licence's name and link" in complaint("ground=licensed", "licence=CC BY 4.0")
    assert "link belongs to ground=licensed, not to ground=self" in complaint("ground=self", "link=https://x.org")


def test_what_cannot_be_written_or_set(
    command: Command, filmed: list[Rendering], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = film(tmp_path / "a.mp4", [filmed[0].image])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.txt").write_text("mine")
    given = (f"input={clip}", "ground=self")
    assert "mine already exists; choose another" in refused(command, tmp_path, *given, f"output={tmp_path / 'mine'}")
    below_a_file = f"output={clip / 'A'}"
    assert f"A cannot be created, because {clip} is a file" in refused(command, tmp_path, *given, below_a_file)
    new = f"output={tmp_path / 'new'}"
    assert "resolution=63 must be a whole number from 16 to 1024 that is divisible by 2" in refused(
        command, tmp_path, *given, new, "resolution=63"
    )
    assert "every=0 must be a whole number of at least 1" in refused(command, tmp_path, *given, new, "every=0")
    assert 'identity=" " must be a non-empty string' in refused(command, tmp_path, *given, new, identity="identity= ")
    assert "evry" in refused(command, tmp_path, *given, new, "evry=2")

    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda path, mode: False)
        said = refused(command, tmp_path, *given, f"output={tmp_path / 'deep' / 'A'}")
        assert f"A cannot be created, because {tmp_path} is read-only; choose another with output=DIR" in said

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    before = sorted(p.name for p in tmp_path.iterdir())
    code, _, complaint = command("extract", "identity=A", *given, new)
    assert code == 2
    assert "new cannot be written (No space left on device); choose another folder with output=DIR" in complaint
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_faceset_of_one_clip_trains_with_a_weak_split(
    command: Command, filmed: list[Rendering], tiny: list[str], tmp_path: Path
) -> None:
    frames = [filmed[index // 5 % 8].image for index in range(60)]
    clip = film(tmp_path / "one.mp4", frames, step=200)
    for name in "AB":
        words = [f"input={clip}", f"identity={name}", "ground=synthetic", f"output={tmp_path / name}", "every=2"]
        code, _, complaint = command("extract", *words)
        assert code == 0, complaint
    folders = [f"data.identities.{name}={tmp_path / name}" for name in "AB"]
    code, said, complaint = command("train", *tiny, *folders, "run_id=one")
    assert code == 0, complaint
    assert said.startswith("complete: the budget is spent")
    record = json.loads(next((tmp_path / "runs").rglob("one/run.json")).read_text())
    assert record["data"]["weak_splits"] == ["test", "val"]


def real_clips() -> Path:
    """A folder of clips of real people, in a folder for each."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "grid"
    return Path(os.environ.get("SWAPLAB_REAL_CLIPS", beside))


@pytest.mark.slow
@pytest.mark.skipif(not real_clips().is_dir(), reason="no clips of real people: set SWAPLAB_REAL_CLIPS=DIR")
def test_every_frame_of_real_clips_gives_its_face(command: Command, tmp_path: Path) -> None:
    for talker in sorted(folder for folder in real_clips().iterdir() if folder.is_dir()):
        words = [f"input={talker}", f"identity={talker.name}", "ground=licensed", "licence=CC BY 4.0",
                 "link=https://doi.org/10.5281/zenodo.3625687", f"output={tmp_path / talker.name}"]  # fmt: skip
        code, said, complaint = command("extract", *words)
        assert code == 0, complaint
        assert "0 frames without the face; 0 other faces, not kept; flagged: none" in said
        faceset = Faceset.load(tmp_path / talker.name)
        assert len(faceset.records) == 75 * len(list(talker.iterdir()))
        # The face stands still in its crop: eyes and mouth, found anew in each, hardly move through a clip.
        for clip in {record.clip for record in faceset.records}:
            records = [record for record in faceset.records if record.clip == clip]
            placed = [np.array(r.landmarks) @ np.array(r.matrix)[:, :2].T + np.array(r.matrix)[:, 2] for r in records]
            eyes = np.stack([five_points(points)[:2] for points in placed])
            assert eyes.std(0).max() < 0.02 * 64
