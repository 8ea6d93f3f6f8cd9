"""Tracks: one face stays one, two stay two, cuts and absences end them."""

from collections.abc import Callable

import numpy as np

from swaplab.faces.detection import Detection
from swaplab.faces.tracking import MISSED, follow, is_cut, thumbnail
from swaplab.randomness import generator_at

FaceAt = Callable[..., Detection]


def test_two_faces_that_pass_each_other_stay_two(face_at: FaceAt) -> None:
    # A large one walks right, a small one left, above it; the order of detections changes from frame to frame.
    large = [face_at(50 + 6 * t, 100, 60) for t in range(30)]
    small = [face_at(230 - 6 * t, 60, 25) for t in range(30)]
    frames = [[a, b] if generator_at(0, "order", t).random() < 0.5 else [b, a]
              for t, (a, b) in enumerate(zip(large, small, strict=True))]  # fmt: skip
    tracks = follow(frames)
    assert len(tracks) == 2
    found = {id(track.detections[0]): track for track in tracks}
    for face in (large, small):
        track = found[id(face[0])]
        assert track.frames == list(range(30))
        assert all(a is b for a, b in zip(track.detections, face, strict=True))
        assert all(frames[at][place] is face[at] for at, place in zip(track.frames, track.places, strict=True))


def test_a_face_may_be_missed_for_a_few_frames(face_at: FaceAt) -> None:
    def with_gap(length: int) -> list[list[Detection]]:
        return [[face_at(50, 50)] for _ in range(4)] + [[]] * length + [[face_at(52, 50)] for _ in range(4)]

    assert [len(t.frames) for t in follow(with_gap(MISSED))] == [8]
    assert [len(t.frames) for t in follow(with_gap(MISSED + 1))] == [4, 4]


def test_a_cut_and_a_jump_end_tracks(face_at: FaceAt) -> None:
    still = [[face_at(50, 50)] for _ in range(9)]
    assert [t.frames for t in follow(still, cuts={4})] == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]
    jump = still[:5] + [[face_at(120, 50)] for _ in range(2)]
    assert [t.frames for t in follow(jump)] == [[0, 1, 2, 3, 4], [5, 6]]


def test_nobody_has_no_track() -> None:
    assert follow([[], [], []]) == []


def test_cuts_are_told_from_motion() -> None:
    y, x = np.mgrid[0:120, 0:160]
    scene = np.stack([x, y, 255 - x], -1).astype(np.uint8)
    other = np.ascontiguousarray(scene[::-1, ::-1])
    moved = np.roll(scene, 6, axis=1)
    assert is_cut(thumbnail(scene), thumbnail(other))
    assert not is_cut(thumbnail(scene), thumbnail(moved))
