"""The pass over a clip: whose faces belong together, and which are chosen."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from swaplab.faces.detection import Detection
from swaplab.faces.finding import FrameFaces, every_face, find_faces, in_batches, largest_face, principal_face
from swaplab.faces.media import Frame

FaceAt = Callable[..., Detection]


def clip(count: int, cut: int | None = None) -> list[Frame]:
    """Frames of every second index, dark before a cut and bright after it."""
    levels = [0 if cut is None or i < cut else 255 for i in range(count)]
    return [Frame(2 * i, i / 25, i, np.full((32, 32, 3), level, np.uint8)) for i, level in enumerate(levels)]


def passed(found: list[list[Detection]], choose: Any, cut: int | None = None, **how: Any) -> list[FrameFaces]:
    told = list(found)

    def search(frames: Sequence[Any], aspect: float = 1.0) -> list[list[Detection]]:
        return [told.pop(0) for _ in frames]

    return find_faces(in_batches(clip(len(found), cut), 3, nullcontext), search, choose, **how)


def test_every_frame_tells_its_faces_and_their_tracks(face_at: FaceAt) -> None:
    one, other = face_at(40, 60, 40), face_at(120, 60, 20)
    found = passed([[one], [one, other], [], [other, one]], every_face)
    assert [(frame.index, frame.time) for frame in found] == [(0, 0), (2, 0.04), (4, 0.08), (6, 0.12)]
    assert [frame.tracks for frame in found] == [[0], [0, 1], [], [1, 0]]
    assert [frame.chosen for frame in found] == [[0], [0, 1], [], [0, 1]]


def test_a_passer_by_takes_nothing_over(face_at: FaceAt) -> None:
    person, passer = face_at(40, 60, 40), face_at(120, 60, 60)
    found = [[person]] * 4 + [[passer, person]] + [[person]] * 4 + [[], [passer]]
    assert [frame.faces for frame in passed(found, largest_face)] == [[person]] * 9 + [[], [passer]]
    assert [frame.faces for frame in passed(found, principal_face)] == [[person]] * 9 + [[], []]


@pytest.mark.parametrize("cut", [2, 4])
def test_a_cut_may_bring_another_person(face_at: FaceAt, cut: int) -> None:
    found = [[face_at(40, 60, 40)]] * 6
    longer = range(cut) if cut >= 3 else range(cut, 6)
    assert [i for i, frame in enumerate(passed(found, principal_face, cut)) if frame.faces] == list(longer)
    assert all(frame.faces for frame in passed(found, largest_face, cut))


def test_of_two_shots_of_one_length_only_one_is_kept(face_at: FaceAt) -> None:
    found = passed([[face_at(40, 60, 40)]] * 6, principal_face, cut=3)
    assert [len(frame.faces) for frame in found] == [1, 1, 1, 0, 0, 0]


def test_pictures_are_independent(face_at: FaceAt) -> None:
    small, large = face_at(40, 60, 20), face_at(120, 60, 60)
    found = passed([[small]] * 9 + [[large, small]], largest_face, connected=False)
    assert [frame.tracks for frame in found] == [[i] for i in range(9)] + [[9, 10]]
    assert found[-1].faces == [large]
    assert passed([[], []], largest_face)[0].faces == []
