"""Whole conversions with a known detector and a generator that changes nothing: what must stay stays."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swaplab.conversion import convert
from swaplab.conversion.convert import Converter, Settings
from swaplab.conversion.swapper import FaceSwapper, direction
from swaplab.errors import UserError
from swaplab.faces.alignment import FIVE_POINTS, Alignment
from swaplab.faces.detection import Detection
from swaplab.marking.label import Label

ALIGNMENT = Alignment(64)
WIDTH, HEIGHT = 160, 120


def face_at(x: float, y: float, side: float) -> Detection:
    """A face whose region is the square of ``side`` pixels around (x, y), upright."""
    corner = np.array([x, y]) - side / 2
    return Detection(np.array([*corner, *(corner + side)]), 0.99, FIVE_POINTS * side + corner)


class Known:
    """A detector that was told: one list of faces a frame."""

    def __init__(self, found: list[list[Detection]]) -> None:
        self.found, self.batches = list(found), list[int]()

    def __call__(self, frames: Sequence[Any], aspect: float = 1.0) -> list[list[Detection]]:
        self.batches.append(len(frames))
        part, self.found = self.found[: len(frames)], self.found[len(frames) :]
        return part


class Unchanged:
    """A model whose swap is its input, darker by ``shade``, under a mask of ``mask`` everywhere."""

    def __init__(self, shade: float = 0.0, mask: float | None = None) -> None:
        self.shade, self.mask, self.sizes = shade, mask, list[int]()

    def swap(self, faces: torch.Tensor, source: str, target: str, given: object) -> Any:
        assert (source, target) == ("A", "B")
        self.sizes.append(len(faces))
        mask = None if self.mask is None else torch.full_like(faces[:, :1], self.mask)
        return faces - self.shade, mask, faces


def circle(crops: Any) -> Any:
    """68 points on a circle of half the region's width: its hull, with a lifted brow."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    middle = ALIGNMENT.border + 31.5
    points = np.stack([middle + 18 * np.cos(angle), middle + 18 * np.sin(angle)], -1)
    return np.repeat(points[None], len(crops), 0)


def converter(
    found: list[list[Detection]], model: Any = None, label: Label | None = None, **settings: Any
) -> Converter:
    swapper = FaceSwapper(model or Unchanged(), ALIGNMENT, "A", "B", batch=4)
    return Converter(Known(found), circle, swapper, label, Settings(**settings))


@pytest.fixture
def photo(videos: Any, tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(videos.picture(2, WIDTH, HEIGHT)).save(path)
    return path


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path)).astype(int)


def test_an_identity_generator_gives_the_picture_back(photo: Path, tmp_path: Path) -> None:
    face = face_at(83.3, 58.8, 81.0)
    report = converter([[face]]).picture(photo, tmp_path / "out.png")
    before, after = pixels(photo), pixels(tmp_path / "out.png")
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    # the hull: radius 18 of 64 parts, lifted at the top by less than its size
    beyond = np.hypot(x - 83.3, y - 58.8) > 81 / 64 * 40
    assert (after == before)[beyond].all()
    assert np.abs(after - before).max() <= 2
    assert (report.frames_in, report.frames_out, report.faces, report.passed_through) == (1, 1, 1, 0)


def test_only_the_hull_changes_and_the_mask_weighs(photo: Path, tmp_path: Path) -> None:
    face, middle = face_at(80, 60, 64), (60, 80)
    changes = []
    for mask, alpha in ((None, "hull"), (0.5, "learned_and_hull"), (0.5, "hull"), (0.0, "learned_and_hull")):
        model = Unchanged(shade=0.1, mask=mask)
        converter([[face]], model, colour="none", alpha=alpha).picture(photo, tmp_path / "out.png")
        difference = pixels(photo) - pixels(tmp_path / "out.png")
        changes.append(difference[middle].mean())
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        assert (difference[np.hypot(x - 80, y - 60) > 40] == 0).all()
    assert np.allclose(changes, [25.5, 12.75, 25.5, 0], atol=1)


def test_colours_of_the_face_that_is_replaced(photo: Path, tmp_path: Path) -> None:
    face = face_at(80, 60, 64)
    differences = {}
    for colour in ("none", "statistics"):
        converter([[face]], Unchanged(shade=0.1), colour=colour).picture(photo, tmp_path / "out.png")
        differences[colour] = np.abs(pixels(photo) - pixels(tmp_path / "out.png")).mean()
    assert differences["statistics"] < 0.1 * differences["none"]


def test_largest_or_all_and_batches(photo: Path, tmp_path: Path) -> None:
    many = [face_at(20 + 13 * i, 60, 12 + i) for i in range(9)]
    model = Unchanged()
    report = converter([many], model, faces="all").picture(photo, tmp_path / "out.png")
    assert (report.faces, report.other_faces) == (9, 0)
    assert model.sizes == [4, 4, 1]
    report = converter([many]).picture(photo, tmp_path / "out.png")
    assert (report.faces, report.other_faces) == (1, 8)


def test_a_video_keeps_frames_times_and_sound_and_counts(videos: Any, tmp_path: Path) -> None:
    source = videos.write(
        tmp_path / "a.mp4", 40, (WIDTH, HEIGHT), sound="aac", times=[i * i + 20 * i for i in range(40)]
    )
    face = face_at(80, 60, 60)
    found = [[] if i in (3, 4, 39) else [face, face_at(20, 20, 20)] for i in range(40)]
    told: dict[str, int] = {}
    work = converter(found, Unchanged(shade=0.2), colour="none")
    output = tmp_path / "out.mp4"
    report = work.video(source, output, lambda stage, done, total: told.update({stage: told.get(stage, 0) + done}))
    before, times = videos.frames_of(source)
    after, got_times = videos.frames_of(output)
    assert got_times == times
    assert [data for data, _ in videos.packets_of(output)] == [data for data, _ in videos.packets_of(source)]
    assert (report.frames_in, report.frames_out, report.passed_through) == (40, 40, 3)
    assert (report.faces, report.other_faces, report.notes) == (37, 37, [])
    assert told == {"finding faces": 40, "swapping faces": 40}
    assert {"read", "find faces", "align", "landmarks", "swap", "colour", "paste back", "encode"} <= set(report.seconds)
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        darker = (a[50:70, 70:90].astype(int) - b[50:70, 70:90]).mean()
        assert darker < 6 if not found[i] else darker > 20, i


def test_only_a_batch_of_frames_is_in_memory(videos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "MOST_FRAMES", 4)
    source = videos.write(tmp_path / "a.mp4", 30, (WIDTH, HEIGHT))
    work = converter([[face_at(80, 60, 60)]] * 30)
    alive: list[Any] = []
    most = 0
    frame_type = convert.Video.frames

    def watched(video: Any) -> Any:
        nonlocal most
        for frame in frame_type(video):
            alive.append(weakref.ref(frame.image))
            most = max(most, sum(reference() is not None for reference in alive))
            yield frame
            del frame

    monkeypatch.setattr(convert.Video, "frames", watched)
    work.video(source, tmp_path / "out.mp4")
    assert isinstance(work.search, Known)
    assert max(work.search.batches) == 4
    assert len(alive) == 60
    assert most <= 9


def test_nobody_in_it(photo: Path, videos: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"photo.png: no face was found in it; lower min_face"):
        converter([[]]).picture(photo, tmp_path / "out.png")
    source = videos.write(tmp_path / "a.mp4", 5)
    with pytest.raises(UserError, match=r"a.mp4: no face was found in any of its 5 frames"):
        converter([[]] * 5).video(source, tmp_path / "out.mp4")
    assert not list(tmp_path.glob("out*"))


def test_picture_formats(photo: Path, videos: Any, tmp_path: Path) -> None:
    image, face = Image.open(photo), face_at(80, 60, 60)
    alpha = Image.fromarray(np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1)))
    transparent = image.copy()
    transparent.putalpha(alpha)
    transparent.save(tmp_path / "alpha.png")
    assert converter([[face]]).picture(tmp_path / "alpha.png", tmp_path / "out.png").notes == []
    kept = Image.open(tmp_path / "out.png")
    assert kept.mode == "RGBA"
    assert (np.asarray(kept.getchannel("A")) == np.asarray(alpha)).all()
    notes = converter([[face]]).picture(tmp_path / "alpha.png", tmp_path / "out.jpg").notes
    assert notes == [".jpg does not support transparency, so it was left out"]

    image.convert("L").save(tmp_path / "grey.jpg")
    converter([[face]], Unchanged(shade=0.1)).picture(tmp_path / "grey.jpg", tmp_path / "out.png")
    assert np.ptp(pixels(tmp_path / "out.png"), axis=-1).max() <= 1

    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95, icc_profile=b"a profile")
    converter([[face_at(60, 80, 60)]]).picture(tmp_path / "turned.jpg", tmp_path / "out.png")
    shown = Image.open(tmp_path / "out.png")
    assert shown.size == (HEIGHT, WIDTH)
    assert shown.info["icc_profile"] == b"a profile"
    assert not shown.getexif()
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(image.rotate(-90, expand=True))).mean() < 3


def test_a_face_with_implausible_points_is_never_swapped(photo: Path, videos: Any, tmp_path: Path) -> None:
    face = face_at(80, 60, 60)
    doubtful = replace(face, agreement=0.7)
    with pytest.raises(UserError, match="no face was found in it"):
        converter([[doubtful]]).picture(photo, tmp_path / "out.png")
    source = videos.write(tmp_path / "a.mp4", 3, (WIDTH, HEIGHT))
    found = [[face], [doubtful], [face]]
    report = converter(found, Unchanged(shade=0.3), colour="none", faces="all").video(source, tmp_path / "out.mp4")
    assert (report.faces, report.implausible, report.passed_through) == (2, 1, 1)
    pairs = zip(videos.frames_of(source)[0], videos.frames_of(tmp_path / "out.mp4")[0], strict=True)
    darker = [(a[50:70, 70:90].astype(int) - b[50:70, 70:90]).mean() for a, b in pairs]
    assert min(darker[0], darker[2]) > 20
    assert abs(darker[1]) < 6


def test_squeezed_pixels_stay_squeezed_and_their_faces_are_square(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mp4", 2, (WIDTH, HEIGHT), sample_aspect_ratio=Fraction(4, 3))
    face = face_at(100, 60, 64)
    squeezed = Detection(face.box * [0.75, 1, 0.75, 1], 0.99, face.points * [0.75, 1])
    converter([[squeezed]] * 2, Unchanged(shade=0.3), colour="none").video(source, tmp_path / "out.mp4")
    before, after = videos.frames_of(source)[0][0], videos.frames_of(tmp_path / "out.mp4")[0][0]
    rows, columns = np.nonzero((before.astype(int) - after).mean(-1) > 15)
    assert abs(columns.mean() - 75) < 2
    # The hull is a circle, lifted at the top; it is as much narrower as the pixels are wider.
    assert abs(np.ptp(columns) / (2 * 18 * 0.75) - 1) < 0.25
    assert np.ptp(rows) > 1.2 * np.ptp(columns)


def test_the_label_is_on_every_frame(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mp4", 6, (WIDTH, HEIGHT))
    converter([[face_at(80, 60, 60)], *[[]] * 5], label=Label()).video(source, tmp_path / "out.mp4")
    assert min(Label().likeness(frame) for frame in videos.frames_of(tmp_path / "out.mp4")[0]) > 0.8


def test_a_trial_is_the_first_second_labelled_and_not_swapped(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mkv", 40, (63, 49), codec="ffv1", pixels="bgr0", sound="aac")
    report = converter([], label=Label()).trial(source, tmp_path / "out.mp4")
    frames = videos.frames_of(tmp_path / "out.mp4")[0]
    assert report.frames_out == len(frames) == 25
    assert min(Label().likeness(frame) for frame in frames) > 0.95
    assert np.abs(frames[7][:20, :63].astype(int) - videos.picture(7, 63, 49)[:20]).mean() < 3


def test_directions_that_make_no_sense() -> None:
    assert direction(("A", "B", "C"), None, None) == ("A", "B")
    assert direction(("A", "B", "C"), None, "A") == ("B", "A")
    assert direction(("A", "B", "C"), "B", None) == ("B", "A")
    with pytest.raises(UserError, match=r"target=X is not an identity of this run; choose from A, B"):
        direction(("A", "B"), None, "X")
    with pytest.raises(UserError, match=r"source and target are both B"):
        direction(("A", "B"), "B", "B")
