"""The faces of a clip, frame by frame, with their tracks: the pass that extraction and conversion share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from swaplab.faces.detection import Detection
from swaplab.faces.media import Frame
from swaplab.faces.search import Search
from swaplab.faces.tracking import follow, is_cut, thumbnail


@dataclass(frozen=True)
class FrameFaces:
    """The faces of one frame of a clip.

    ``index``, ``time``: of the frame. ``detections``: its faces, the largest first. ``tracks``: the number of each
    one's track in the clip; faces of one track are of one person. ``chosen``: the places in ``detections`` of the faces
    to use.
    """

    index: int
    time: float
    detections: list[Detection]
    tracks: list[int]
    chosen: list[int]

    @property
    def faces(self) -> list[Detection]:
        """The faces to use."""
        return [self.detections[place] for place in self.chosen]


# From the total area of every track of a clip and the tracks of a frame's faces: the places of the faces to use.
Choice = Callable[[Sequence[float], Sequence[int]], list[int]]


def every_face(areas: Sequence[float], tracks: Sequence[int]) -> list[int]:
    """All faces."""
    return list(range(len(tracks)))


def largest_face(areas: Sequence[float], tracks: Sequence[int]) -> list[int]:
    """The face with the largest total area over its track.

    So a passer-by who is briefly larger does not take over, and every shot has its own principal face.
    """
    return [max(range(len(tracks)), key=lambda place: areas[tracks[place]])] if tracks else []


def principal_face(areas: Sequence[float], tracks: Sequence[int]) -> list[int]:
    """The face of the clip's track with the largest total area.

    Tracks before and after a cut are never joined, because they may show different people, and a bystander's face must
    not enter a faceset.
    """
    return [place for place, track in enumerate(tracks) if track == areas.index(max(areas))]


def find_faces(
    batches: Iterable[Sequence[Frame]], search: Search, choose: Choice, *, connected: bool = True
) -> list[FrameFaces]:
    """Search all frames of a clip, track their faces and choose among them.

    ``batches``: frames in order. ``connected``: whether they follow each other, as in a video; pictures do not, and
    each of their faces is a track of its own.
    """
    frames: list[tuple[int, float]] = []
    found: list[list[Detection]] = []
    cuts: set[int] = set()
    before: NDArray[np.float32] | None = None
    for batch in batches:
        found += search([frame.image for frame in batch], batch[0].aspect)
        for frame in batch:
            after = thumbnail(frame.image)
            if not connected or (before is not None and is_cut(before, after)):
                cuts.add(len(frames))
            before = after
            frames.append((frame.index, frame.time))
    areas, numbers = tracked(found, cuts)
    return [
        FrameFaces(index, time, detections, tracks, choose(areas, tracks))
        for (index, time), detections, tracks in zip(frames, found, numbers, strict=True)
    ]


def tracked(found: Sequence[Sequence[Detection]], cuts: set[int]) -> tuple[list[float], list[list[int]]]:
    """The total area of every track of a clip, and the number of each detection's track, frame by frame."""
    tracks = follow(found, cuts)
    numbers = [[-1] * len(detections) for detections in found]
    for number, track in enumerate(tracks):
        for frame, place in zip(track.frames, track.places, strict=True):
            numbers[frame][place] = number
    return [track.area for track in tracks], numbers


def in_batches(
    frames: Iterable[Frame], size: int, reading: Callable[[], AbstractContextManager[None]]
) -> Iterator[list[Frame]]:
    """Frames in batches of ``size``, each read inside a ``reading()`` context."""
    rest = iter(frames)
    while True:
        with reading():
            batch = list(islice(rest, size))
        if not batch:
            return
        yield batch
