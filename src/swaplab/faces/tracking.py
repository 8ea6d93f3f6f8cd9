"""Which detections in successive frames are one face."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.faces.detection import Detection, overlap

# A face may be missed for so many frames in a row without its track ending.
MISSED = 5

# Least overlap (intersection over union) of a face's boxes in successive frames; a nod at 25 frames a second keeps 0.6.
_OVERLAP = 0.3

# Mean difference of two small pictures, in levels of 255, from which on a cut lies between them.
_CUT = 15.0
_SMALL = 16


@dataclass
class Track:
    """One face through a clip: the frames it was found in, rising, and what was found."""

    frames: list[int] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)

    @property
    def area(self) -> float:
        """Sum of its boxes, in square pixels: large for a face that is large and long in the picture."""
        return sum(detection.area for detection in self.detections)


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A frame (H, W, 3) as 16 x 16 means, to look for cuts by."""
    return np.asarray(cv2.resize(image, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA), np.float32)


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether a cut lies between two frames, given as `thumbnail`: the picture changes nearly everywhere at once."""
    return float(np.abs(after - before).mean()) > _CUT


def follow(detections: Sequence[Sequence[Detection]], cuts: Collection[int] = ()) -> list[Track]:
    """Tracks through the detections of successive frames, in the order of their first frames.

    Greedy: of all pairs of a live track and a detection, the one that overlaps most is linked first (the tracker of
    Bochinski et al. 2017). A track ends when its face is missed for more than `MISSED` frames, and at a cut: ``cuts``
    are the frames that follow one.
    """
    tracks: list[Track] = []
    live: list[Track] = []
    for frame, found in enumerate(detections):
        live = [] if frame in cuts else [track for track in live if frame - track.frames[-1] <= MISSED + 1]
        overlaps = np.array([[overlap(t.detections[-1].box, d.box) for d in found] for t in live])
        free = set(range(len(found)))
        while overlaps.size and overlaps.max() >= _OVERLAP:
            row, column = (int(i) for i in np.unravel_index(overlaps.argmax(), overlaps.shape))
            live[row].frames.append(frame)
            live[row].detections.append(found[column])
            overlaps[row], overlaps[:, column] = -1, -1
            free.discard(column)
        new = [Track([frame], [found[index]]) for index in sorted(free)]
        tracks += new
        live += new
    return tracks


def principal(tracks: Sequence[Track]) -> Track | None:
    """The face that is largest for longest; None without any.

    Tracks on two sides of a cut are never joined: nothing here says that they show the same person, and a bystander's
    face must not slip into somebody's faceset.
    """
    return max(tracks, key=lambda track: track.area, default=None)
