"""Track faces: link detections of the same face in successive frames."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.detection import Detection, overlap

# maximum number of consecutive frames without a detection before a track ends
MISSED = 5

# minimum overlap (intersection over union) of a face's boxes in successive frames; a nod at 25 frames/s has 0.6
_OVERLAP = 0.3

# mean difference of two thumbnails, in levels of 255, above which there is a cut between them
_CUT = 15.0
_SMALL = 16


@dataclass
class Track:
    """One face through a clip: the frames in which it was found, ascending, its places among their faces, and its
    detections."""

    frames: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)

    def add(self, frame: int, place: int, detection: Detection) -> None:
        """Continue the track in a later frame."""
        self.frames.append(frame)
        self.places.append(place)
        self.detections.append(detection)

    @property
    def area(self) -> float:
        """Total area of its boxes in square pixels; large for a face that is large and visible for long."""
        return sum(detection.area for detection in self.detections)


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A frame (H, W, 3) as 16 x 16 means, for the detection of cuts."""
    return np.asarray(cv2.resize(image, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA), np.float32)


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether there is a cut between two frames, given as `thumbnail`: most of the picture changes at once."""
    return float(np.abs(after - before).mean()) > _CUT


def follow(detections: Sequence[Sequence[Detection]], cuts: Collection[int] = ()) -> list[Track]:
    """Tracks through the detections of successive frames, in the order of their first frames.

    Greedy: of all pairs of an active track and a detection, the one with the largest overlap is linked first (the
    tracker of Bochinski et al. 2017). A track ends after more than `MISSED` frames without a detection, and at a cut.
    ``cuts``: indices of the frames that follow a cut.
    """
    tracks: list[Track] = []
    live: list[Track] = []
    for frame, found in enumerate(detections):
        live = [] if frame in cuts else [track for track in live if frame - track.frames[-1] <= MISSED + 1]
        overlaps = np.array([[overlap(t.detections[-1].box, d.box) for d in found] for t in live])
        free = set(range(len(found)))
        while overlaps.size and overlaps.max() >= _OVERLAP:
            row, column = (int(i) for i in np.unravel_index(overlaps.argmax(), overlaps.shape))
            live[row].add(frame, column, found[column])
            overlaps[row], overlaps[:, column] = -1, -1
            free.discard(column)
        new = [Track([frame], [index], [found[index]]) for index in sorted(free)]
        tracks += new
        live += new
    return tracks
