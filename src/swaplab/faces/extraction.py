"""From clips to a faceset: find all faces, keep the principal one of each clip, crop it from the source frame.

Clips are read twice, first to find and track faces, then to crop the chosen ones. So memory does not grow with the
length of a clip, and every crop is resampled only once.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from swaplab.errors import UserError
from swaplab.faces.alignment import Alignment
from swaplab.faces.detection import POSSIBLE, Detection
from swaplab.faces.faceset import FacesetWriter
from swaplab.faces.finding import find_faces, in_batches, largest_face, principal_face
from swaplab.faces.hull import face_masks
from swaplab.faces.media import Frame, Video, all_unreadable, kind_of, read_picture
from swaplab.faces.quality import flags, measure
from swaplab.faces.search import FindLandmarks, Search

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

# called with the stage (``finding faces``, ``cropping``), the newly processed frames, and the approximate total
Progress = Callable[[str, int, int], None]

# frames or crops processed together
_BATCH = 16


@dataclass(frozen=True)
class Clip:
    """A video, or the pictures of one folder, which count as independent and one second apart."""

    name: str
    files: tuple[Path, ...]
    is_video: bool


@dataclass
class Tally:
    """Counts for a clip: its frames, kept faces, faces of others, frames without the face, and flags.

    ``damage``: what could not be read, if anything. ``notes``: what was repaired. ``unreadable``: a sentence for each
    skipped picture.
    """

    frames: int = 0
    faces: int = 0
    other_faces: int = 0
    without_face: int = 0
    flagged: Counter[str] = field(default_factory=Counter)
    damage: str | None = None
    notes: list[str] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)


def clips_of(files: Sequence[Path]) -> list[Clip]:
    """Group files into clips with unique names: each video is one, and all pictures of a folder are one."""
    groups: dict[Path, list[Path]] = {}
    for file in files:
        groups.setdefault(file if kind_of(file) == "video" else file.resolve().parent, []).append(file)
    clips: list[Clip] = []
    taken: set[str] = set()
    for group, members in groups.items():
        is_video = group == members[0]
        name = unique = members[0].stem if is_video or len(members) == 1 else group.name
        count = 1
        while unique in taken:
            count += 1
            unique = f"{name}-{count}"
        taken.add(unique)
        clips.append(Clip(unique, tuple(members), is_video))
    return clips


class Extraction:
    """Extracts the faces of one identity from clips.

    ``every``: use every n-th frame of a video. ``limits``: minimum sharpness, side and probability of a face without a
    flag (see `quality`). With ``find_landmarks``, faces get 68 landmarks and masks, else five points and no masks.
    Results: ``tallies`` by clip and ``seconds`` by stage.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        search: Search,
        alignment: Alignment,
        limits: Mapping[str, float],
        *,
        every: int = 1,
        find_landmarks: FindLandmarks | None = None,
        progress: Progress = lambda stage, done, total: None,
    ) -> None:
        self.clips, self.alignment, self.every = clips, alignment, every
        self.limits = {"agreement": POSSIBLE, **limits}
        self.tallies = {clip.name: Tally() for clip in clips}
        self.seconds: dict[str, float] = {}
        self._search, self._find_landmarks, self._progress = search, find_landmarks, progress
        self._chosen: dict[str, dict[int, Detection]] = {}

    def find(self) -> None:
        """Choose the face of every frame. Unreadable pictures are skipped and listed in ``tallies``.

        Raises UserError if a video cannot be read, if no file can be read, and if no clip shows a face.
        """
        # opens every clip before the long work, so that an unreadable one fails early
        expected = sum(self._expected_frames(clip) for clip in self.clips)
        for clip in self.clips:
            self._chosen[clip.name] = self._find_in(clip, expected)
        if not any(self._chosen.values()):
            looked_at = sum(tally.frames for tally in self.tallies.values())
            unreadable = [sentence for tally in self.tallies.values() for sentence in tally.unreadable.values()]
            if not looked_at:
                raise UserError(all_unreadable(unreadable))
            names = ", ".join(str(file) for clip in self.clips for file in clip.files[:1])
            raise UserError(
                f"no face was found in {looked_at} frame(s) of {names}; use clips that show the face from the front, "
                f"or lower detector.min_face or detector.probability"
            )

    def _find_in(self, clip: Clip, expected: int) -> dict[int, Detection]:
        """The chosen faces of a clip by frame."""
        tally = self.tallies[clip.name]

        def batches() -> Iterator[list[Frame]]:
            for batch in self._batches(clip):
                yield batch
                self._progress("finding faces", len(batch), expected)

        choose = principal_face if clip.is_video else largest_face
        found = find_faces(batches(), self._timed_search, choose, connected=clip.is_video)
        chosen = {frame.index: face for frame in found for face in frame.faces}
        tally.frames, tally.without_face = len(found), len(found) - len(chosen)
        tally.other_faces = sum(len(frame.detections) for frame in found) - len(chosen)
        return chosen

    def _timed_search(self, frames: Sequence[Pixels], aspect: float = 1.0) -> list[list[Detection]]:
        with self._timed("detection"):
            return self._search(frames, aspect)

    def _expected_frames(self, clip: Clip) -> int:
        """The number of frames that the clip declares; 0 if unknown."""
        if not clip.is_video:
            return len(clip.files)
        with Video.open(clip.files[0]) as video:
            return (video.frame_count or round((video.duration or 0) * video.rate)) // self.every

    def cut(self, writer: FacesetWriter) -> None:
        """Crop the faces that `find` chose and add them to ``writer``, in the order of clips and frames."""
        total = sum(len(chosen) for chosen in self._chosen.values())
        for clip in self.clips:
            if not self._chosen[clip.name]:
                continue
            for frames in self._batches(clip, self._chosen[clip.name]):
                self._write(clip, frames, writer)
                self._progress("cropping", len(frames), total)

    def _write(self, clip: Clip, frames: list[Frame], writer: FacesetWriter) -> None:
        tally, detections = self.tallies[clip.name], [self._chosen[clip.name][frame.index] for frame in frames]
        with self._timed("cutting"):
            placed = zip(detections, frames, strict=True)
            matrices = [self.alignment.matrix(detection.points, frame.aspect) for detection, frame in placed]
            crops = [self.alignment.cut(f.image, matrix) for f, matrix in zip(frames, matrices, strict=True)]
        located: list[Floats | None] = [None] * len(frames)
        if self._find_landmarks is not None:
            with self._timed("landmarks"):
                located = list(self._find_landmarks(np.stack(crops)))
        with self._timed("writing"):
            faces = zip(frames, detections, matrices, crops, located, strict=True)
            for frame, detection, matrix, crop, landmarks in faces:
                quality = measure(crop, matrix, detection, self.alignment)
                flagged = flags(quality, self.limits)
                tally.faces += 1
                tally.flagged.update(flagged)
                points = detection.points if landmarks is None else _in_source(landmarks, matrix)
                writer.add(
                    crop,
                    None if landmarks is None else face_masks(landmarks, self.alignment.stored),
                    source=clip.files[0 if clip.is_video else frame.index].name,
                    clip=clip.name,
                    frame=frame.index,
                    time=round(frame.time, 4),
                    box=detection.box.round(2).tolist(),
                    landmarks=points.round(3).tolist(),
                    matrix=matrix.tolist(),
                    quality=quality,
                    flags=flagged,
                )

    def _batches(self, clip: Clip, wanted: Mapping[int, Detection] | None = None) -> Iterator[list[Frame]]:
        """The clip's frames, or only those in ``wanted``, in batches."""
        frames = (frame for frame in self._frames(clip) if wanted is None or frame.index in wanted)
        return in_batches(frames, _BATCH, partial(self._timed, "decoding"))

    def _frames(self, clip: Clip) -> Iterator[Frame]:
        """The readable frames of a clip."""
        tally, frame = self.tallies[clip.name], None
        if clip.is_video:
            try:
                with Video.open(clip.files[0]) as video:
                    for frame in video.frames(self.every):
                        yield frame
                    tally.damage, tally.notes = video.damage, video.notes
            except UserError as error:
                if frame is None:
                    raise
                tally.damage = str(error)
            return
        for index, file in enumerate(clip.files):
            if file in tally.unreadable:
                continue
            try:
                image = read_picture(file)
            except UserError as error:
                tally.unreadable[file] = str(error)
                continue
            yield Frame(index, float(index), index, image)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


def _in_source(landmarks: Floats, matrix: Floats) -> Floats:
    """Landmarks (68, 2) in pixels of the source frame."""
    return np.asarray(cv2.transform(landmarks[None], cv2.invertAffineTransform(matrix))[0], np.float64)
