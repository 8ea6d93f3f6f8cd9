"""The faceset on disk: what goes in comes out, and damage is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.faceset import Faceset, FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.randomness import generator_at

ALIGNMENT = Alignment(32)
KNOWN: dict[str, Any] = {
    "source": "film.mp4", "clip": "one", "time": 0.25, "box": [1.0, 2.0, 3.0, 4.0], "landmarks": [[0.5, 1.5]] * 5,
    "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "quality": {"sharpness": 3.5}, "flags": ["blur"],
    "parameters": {"yaw": 3.0},
}  # fmt: skip


def pixels(index: int, channels: int = 3) -> Any:
    return generator_at(index, "pixels").integers(0, 256, (48, 48, channels), dtype=np.uint8)


def written(folder: Path, faces: int = 3, masks: bool = True, ground: Ground | None = None) -> Path:
    with FacesetWriter(folder, "A", ground or Ground("synthetic"), ALIGNMENT) as writer:
        for i in range(faces):
            writer.add(pixels(i), pixels(10 + i, 4) if masks else None, frame=i, split=None, **KNOWN)
    return folder


def test_round_trip(tmp_path: Path) -> None:
    faceset = Faceset.load(written(tmp_path / "sets" / "a"))
    assert (faceset.identity, faceset.ground, faceset.alignment) == ("A", Ground("synthetic"), ALIGNMENT)
    assert np.array_equal(faceset.faces(), [pixels(i) for i in range(3)])
    assert np.array_equal(faceset.masks(), [pixels(10 + i, 4) for i in range(3)])
    for i, record in enumerate(faceset.records):
        assert record.frame == i
        assert {key: getattr(record, key) for key in KNOWN} == KNOWN
    assert [p.name for p in (tmp_path / "sets").iterdir()] == ["a"]


def test_selection_keeps_order_and_pixels(tmp_path: Path) -> None:
    chosen = Faceset.load(written(tmp_path / "a")).select([2, 0])
    assert np.array_equal(chosen.faces(), [pixels(2), pixels(0)])
    assert [record.frame for record in chosen.records] == [2, 0]


def test_digest_follows_pixels_and_labels(tmp_path: Path) -> None:
    faceset = Faceset.load(written(tmp_path / "a"))
    assert faceset.digest() == Faceset.load(written(tmp_path / "b")).digest()
    assert faceset.digest() != faceset.select([0, 1]).digest()
    lines = (tmp_path / "b" / "records.jsonl").read_text().replace("0.25", "0.26", 1)
    (tmp_path / "b" / "records.jsonl").write_text(lines)
    assert faceset.digest() != Faceset.load(tmp_path / "b").digest()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def another_face(path: Path) -> None:
    path.write_bytes((path.parent / "000000.png").read_bytes())


@pytest.mark.parametrize("damage", [truncated, emptied, one_byte, another_face, Path.unlink])
@pytest.mark.parametrize("kind", ["faces", "masks"])
def test_a_damaged_picture_is_named(tmp_path: Path, damage: Callable[[Path], None], kind: str) -> None:
    folder = written(tmp_path / "a")
    damage(folder / kind / "000001.png")
    faceset = Faceset.load(folder)  # the manifest is whole
    with pytest.raises(UserError, match=rf"{kind}/000001\.png .*create the faceset again"):
        getattr(faceset, kind)()
    getattr(faceset.select([0, 2]), kind)()


def test_faces_without_masks_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no masks for faces/000000\.png and 2 more"):
        Faceset.load(written(tmp_path / "a", masks=False)).masks()


def edited(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    header = json.loads((folder / "faceset.json").read_text())
    change(header)
    (folder / "faceset.json").write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda h: h.pop("ground"), "has no ground.*ground.kind"),
        (lambda h: h.update(ground=None), "has no ground"),
        (lambda h: h.update(ground={"kind": "found"}), "ground must be one of .*; got 'found'"),
        (lambda h: h.update(ground={"kind": "consent"}), "needs a statement file"),
        (lambda h: h.update(version=99), "version 99"),
        (lambda h: h.pop("identity"), "damaged manifest"),
        (lambda h: h.update(alignment={"side": 3}), "damaged manifest"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path: Path, change: Callable[[Any], Any], says: str) -> None:
    folder = written(tmp_path / "a")
    edited(folder, change)
    with pytest.raises(UserError, match=says):
        Faceset.load(folder)


def test_what_is_no_faceset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone does not exist"):
        Faceset.load(tmp_path / "gone")
    with pytest.raises(UserError, match=r"is not a faceset: it has no faceset\.json"):
        Faceset.load(tmp_path)
    folder = written(tmp_path / "a")
    lines = (folder / "records.jsonl").read_text()
    (folder / "records.jsonl").write_text(lines[:-30])
    with pytest.raises(UserError, match="damaged manifest"):
        Faceset.load(folder)


def test_an_existing_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="already exists"):
        written(tmp_path / "a")
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "mine.txt"]


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with FacesetWriter(tmp_path / "sets" / "a", "A", Ground("synthetic"), ALIGNMENT) as writer:
            writer.add(pixels(0), frame=0, **KNOWN)
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        interrupted()
    assert not list((tmp_path / "sets").iterdir())


def test_a_face_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"\(40, 48\)"),
        FacesetWriter(tmp_path / "a", "A", Ground("synthetic"), ALIGNMENT) as writer,
    ):
        writer.add(pixels(0)[:40], frame=0, **KNOWN)


def test_grounds(tmp_path: Path) -> None:
    statement = tmp_path / "statement.yaml"
    statement.write_text("who: the subject\nscope: research\ndate: 2026-01-01\n")
    ground = Ground.from_consent(statement)
    assert ground.statement_sha256 is not None
    assert "subject" not in str(ground)
    assert Faceset.load(written(tmp_path / "a", ground=ground)).ground == ground
    assert ground.digest() != Ground("self").digest()
    statement.write_text("who: the subject\n")
    with pytest.raises(UserError, match="lacks scope, date"):
        Ground.from_consent(statement)
    with pytest.raises(UserError, match="cannot be read"):
        Ground.from_consent(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="licence's name and link"):
        Ground("licensed", licence="CC BY 4.0")
