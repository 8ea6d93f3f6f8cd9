"""Clips to facesets: nothing but one resampling between source and crop, and the truth of rendered clips comes back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment, five_points
from swaplab.faces.detection import Detection, MTCNNDetector
from swaplab.faces.extraction import Extraction, clips_of
from swaplab.faces.faceset import Faceset, FacesetWriter
from swaplab.faces.ground import Ground
from swaplab.faces.media import expand_inputs, read_picture
from swaplab.faces.sheet import contact_sheet
from swaplab.randomness import generator_at
from swaplab.synthetic.clips import Clip
from swaplab.synthetic.people import person
from swaplab.synthetic.profile import Count, IdentityProfile
from swaplab.synthetic.rendering import render

ALIGNMENT = Alignment(64)
LIMITS = {"sharpness": 0.0, "side": 0.0, "probability": 0.0}
WriteVideo = Callable[..., Path]
FaceAt = Callable[..., Detection]


class Scripted:
    """A detector that finds what it is told: the faces of each frame in turn, again at every reading."""

    def __init__(self, script: Sequence[list[Detection]]) -> None:
        self.script, self.seen = script, 0

    def __call__(self, frames: Sequence[Any], aspect: float = 1.0) -> list[list[Detection]]:
        found = [self.script[(self.seen + i) % len(self.script)] for i in range(len(frames))]
        self.seen += len(frames)
        return found


def extracted(inputs: str, output: Path, detector: Any, **settings: Any) -> tuple[Faceset, Extraction]:
    limits = settings.pop("limits", LIMITS)
    extraction = Extraction(clips_of(expand_inputs(inputs)[0]), detector, ALIGNMENT, limits, **settings)
    extraction.find()
    with FacesetWriter(output, "A", Ground("synthetic"), ALIGNMENT) as writer:
        extraction.cut(writer)
    return Faceset.load(output), extraction


def noise(index: int, height: int = 200, width: int = 240) -> Any:
    coarse = generator_at(0, "noise", index).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_a_crop_is_one_sub_pixel_resampling_of_the_source(tmp_path: Path, face_at: FaceAt) -> None:
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    faceset, _ = extracted(str(tmp_path / "a.png"), tmp_path / "out", Scripted([[face_at(120.3, 98.7, 61.4)]]))
    record, crop = faceset.records[0], faceset.faces()[0]
    matrix = np.array(record.matrix)
    # A slow bicubic reference (Keys, a = -3/4, OpenCV's), straight from the file's pixels at the matrix's places.
    source = read_picture(tmp_path / "a.png").astype(np.float64)
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))

    def weight(d: float) -> float:
        d = abs(d)
        return 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else -0.75 * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0

    for v, u in ((10, 12), (40, 55), (48, 48), (77, 30), (90, 91)):
        x, y, _ = back @ [u, v, 1]
        around = [(int(np.floor(y)) + j, int(np.floor(x)) + i) for j in range(-1, 3) for i in range(-1, 3)]
        value = sum(weight(y - j) * weight(x - i) * source[j, i] for j, i in around)
        # OpenCV places samples to 1/32 of a pixel.
        assert np.abs(value.clip(0, 255) - crop[v, u]).max() < 6
    assert record.landmarks == np.round(face_at(120.3, 98.7, 61.4).points, 3).tolist()
    assert record.masks is None


def test_the_truth_of_a_rendered_clip_comes_back(tmp_path: Path, write_video: WriteVideo) -> None:
    size = 288
    clip = Clip(3, "A", "test", 0, IdentityProfile(Count(1, 1, 1), Count(1, 1, 1), Count(1, 1, 1)))
    truth = [render(person("A"), clip.state(i / 5), size) for i in range(6)]
    film = write_video(tmp_path / "clip.mp4", [r.image for r in truth], pts=[200 * i for i in range(6)])
    script = iter(truth)

    def landmarks(crops: Any) -> Any:
        """The true ones, as a perfect network would see them in the crops."""
        taken = [next(script) for _ in crops]
        return np.stack([r.landmarks @ m[:, :2].T + m[:, 2] for r, m in zip(taken, matrices, strict=True)])

    detections = MTCNNDetector()([r.image for r in truth])
    matrices = [ALIGNMENT.matrix(found[0].points) for found in detections]
    faceset, extraction = extracted(str(film), tmp_path / "out", Scripted(detections), find_landmarks=landmarks)
    assert [r.frame for r in faceset.records] == list(range(6))
    np.testing.assert_allclose([r.time for r in faceset.records], [i / 5 for i in range(6)], atol=1e-4)
    masks = faceset.masks()
    for index, (record, rendering) in enumerate(zip(faceset.records, truth, strict=True)):
        np.testing.assert_allclose(record.landmarks, rendering.landmarks, atol=0.002)
        # The detector's idea of eye and mouth corners is not the renderer's: a bias, but hardly any scatter.
        true = ALIGNMENT.matrix(five_points(rendering.landmarks))
        corners = np.array([[16, 16, 1], [80, 16, 1], [16, 80, 1], [80, 80, 1]]).T
        back = np.linalg.inv(np.vstack([np.array(record.matrix), [0, 0, 1]]))
        assert np.linalg.norm(true @ back @ corners - corners[:2], axis=0).mean() < 0.12 * 64
        # The mask lies where the renderer's own mask falls under the matrix.
        expected = ALIGNMENT.cut(rendering.masks, np.array(record.matrix))[..., 0] > 127
        found = masks[index, ..., 0] > 127
        assert (found & expected).sum() / (found | expected).sum() > 0.85
        # Nothing but the codec stands between the renderer's pixels and the crop.
        exact = ALIGNMENT.cut(rendering.image, np.array(record.matrix)).astype(int)
        assert np.abs(faceset.faces()[index] - exact).mean() < 4
        assert record.quality["side"] == pytest.approx(
            64 / np.sqrt(np.linalg.det(np.array(record.matrix)[:, :2])), 1e-2
        )
    assert {"decoding", "detection", "landmarks", "cutting", "writing"} == set(extraction.seconds)


def test_others_are_counted_and_flags_recorded(tmp_path: Path, write_video: WriteVideo, face_at: FaceAt) -> None:
    film = write_video(tmp_path / "a.mp4", [noise(0)] * 20)
    script = [[face_at(120, 90, 60), face_at(40, 40, 25)] for _ in range(20)]
    script[3] = []
    script[7] = [face_at(40, 40, 25)]
    script[9] = [face_at(120, 90, 60, probability=0.91)]
    told: list[tuple[str, int, int]] = []
    limits = {"sharpness": 0.0, "side": 48.0, "probability": 0.95}
    faceset, extraction = extracted(
        str(film), tmp_path / "out", Scripted(script), limits=limits, progress=lambda *words: told.append(words)
    )
    tally = extraction.tallies["a"]
    assert (tally.frames, tally.faces, tally.other_faces, tally.without_face) == (20, 18, 18, 2)
    assert [r.frame for r in faceset.records] == [i for i in range(20) if i not in (3, 7)]
    unsure = [r.frame for r in faceset.records if "unsure" in r.flags]
    assert unsure == [9]
    assert tally.flagged["unsure"] == 1
    assert all(r.box[0] > 60 for r in faceset.records)
    assert sum(done for stage, done, _ in told if stage == "finding faces") == 20
    assert {total for stage, _, total in told if stage == "finding faces"} == {20}
    assert sum(done for stage, done, _ in told if stage == "cropping") == 18


def test_every_third_frame(tmp_path: Path, write_video: WriteVideo, face_at: FaceAt) -> None:
    film = write_video(tmp_path / "a.mp4", [noise(i) // 4 + 96 for i in range(20)])
    faceset, _ = extracted(str(film), tmp_path / "out", Scripted([[face_at(120, 90, 60)]]), every=3)
    assert [(r.frame, r.time) for r in faceset.records] == [(i, round(i / 25, 4)) for i in range(0, 20, 3)]


def test_a_cut_ends_the_face(tmp_path: Path, write_video: WriteVideo, face_at: FaceAt) -> None:
    # Somebody else sits at the same place after the cut: not one pixel of them may be kept.
    scenes = [np.full((200, 240, 3), 60, np.uint8)] * 12 + [np.full((200, 240, 3), 200, np.uint8)] * 8
    film = write_video(tmp_path / "a.mp4", scenes)
    faceset, extraction = extracted(str(film), tmp_path / "out", Scripted([[face_at(120, 90, 60)]]))
    assert [r.frame for r in faceset.records] == list(range(12))
    assert extraction.tallies["a"].other_faces == 8


def test_pictures_of_a_folder_are_one_clip_and_names_are_unique(
    tmp_path: Path, write_video: WriteVideo, face_at: FaceAt
) -> None:
    for folder in ("holiday", "more"):
        (tmp_path / folder).mkdir()
        for index in range(3):
            Image.fromarray(noise(index)).save(tmp_path / folder / f"{index}.png")
        write_video(tmp_path / folder / "Füße, (1).mp4", [noise(9)] * 2)
    # In pictures the largest face of each counts; they do not follow each other.
    script = [[face_at(60 + 60 * i, 90, 50), face_at(30, 30, 20)] for i in range(3)]
    inputs = f"{tmp_path / 'holiday'},{tmp_path / 'more' / 'Füße, (1).mp4'},{tmp_path / 'more' / '1.png'}"
    clips = clips_of(expand_inputs(inputs)[0])
    assert [clip.name for clip in clips] == ["holiday", "Füße, (1)", "Füße, (1)-2", "1"]
    faceset, _ = extracted(str(tmp_path / "holiday"), tmp_path / "out", Scripted([*script, script[0], script[0]]))
    pictures = [r for r in faceset.records if r.clip == "holiday"]
    assert [(r.source, r.frame, r.time) for r in pictures] == [(f"{i}.png", i, float(i)) for i in range(3)]
    assert [r.box[0] for r in pictures] == [35, 95, 155]
    assert {r.source for r in faceset.records if r.clip != "holiday"} == {"Füße, (1).mp4"}


def test_no_face_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"no face was found in 1 frame\(s\) of .*a\.png; use clips that show the face"):
        extracted(str(tmp_path / "a.png"), tmp_path / "deep" / "out", Scripted([[]]))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_bad_clip_is_named_before_the_long_work(tmp_path: Path, write_video: WriteVideo, face_at: FaceAt) -> None:
    good = write_video(tmp_path / "a.mp4", [noise(0)] * 3)
    bad = write_video(tmp_path / "zero.avi", [], codec="mpeg4")
    detector = Scripted([[face_at(120, 90, 60)]])
    with pytest.raises(UserError, match=r"zero\.avi has no frame"):
        extracted(f"{good},{bad}", tmp_path / "out", detector)
    assert detector.seen == 0


def test_the_contact_sheet_shows_faces_spread_over_the_set(
    tmp_path: Path, write_video: WriteVideo, face_at: FaceAt
) -> None:
    # The grey level tells which frame a tile shows.
    film = write_video(tmp_path / "a.mp4", [np.full((200, 240, 3), 40 + 5 * i, np.uint8) for i in range(30)])
    limits = LIMITS | {"sharpness": 0.5}
    faceset, _ = extracted(str(film), tmp_path / "out", Scripted([[face_at(120, 90, 60)]]), limits=limits)
    sheet = contact_sheet(faceset, faces=4, columns=3)
    assert sheet.shape == (2 * 178, 3 * 144, 3)
    levels = [int(sheet[row * 178 + 4, column * 144 + 4, 0]) for row, column in ((0, 0), (0, 1), (0, 2), (1, 0))]
    frames = [round((level - 40) / 5) for level in levels]
    assert frames == [0, 10, 19, 29]
    assert not sheet[178:, 144:].any()
    red = (sheet[..., 0].astype(int) - sheet[..., 1]) > 100
    assert red[:178, :144].any()
    np.testing.assert_array_equal(sheet, contact_sheet(faceset, faces=4, columns=3))
    one = faceset.select([0])
    assert contact_sheet(one, faces=4).shape == (178, 144, 3)


def test_squeezed_pixels_and_implausible_points_are_told(
    tmp_path: Path, write_video: WriteVideo, face_at: FaceAt
) -> None:
    film = write_video(tmp_path / "a.mp4", [noise(0)] * 3, aspect=Fraction(4, 3))
    face = face_at(120, 90, 60)
    faceset, extraction = extracted(
        str(film), tmp_path / "faces", Scripted([[face], [replace(face, agreement=0.5)], [face]])
    )
    assert [record.flags for record in faceset.records] == [[], ["implausible"], []]
    assert extraction.tallies["a"].flagged == {"implausible": 1}
    across, down = np.linalg.norm(np.array(faceset.records[0].matrix)[:, :2], axis=0)
    assert across / down == pytest.approx(4 / 3)


def test_pictures_that_cannot_be_read_are_left_out_and_named(
    tmp_path: Path, write_video: WriteVideo, face_at: FaceAt
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(8):
        Image.fromarray(np.full((120, 120, 3), 20 * index, np.uint8)).save(folder / f"{index}.png")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:80])
    faceset, extraction = extracted(str(folder), tmp_path / "faces", Scripted([[face_at(60, 60)]]))
    assert [record.source for record in faceset.records] == [f"{index}.png" for index in (0, 1, 2, 4, 5, 6, 7)]
    assert [int(face.mean()) for face in faceset.faces()] == [20 * index for index in (0, 1, 2, 4, 5, 6, 7)]
    ((path, sentence),) = extraction.tallies["pictures"].unreadable.items()
    assert path == folder / "3.png"
    assert "3.png is damaged" in sentence
