"""Convert pictures and videos: read, find faces, swap them, paste back, write."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swaplab.conversion.colour import match_statistics
from swaplab.conversion.compositing import FINER, feathered, paste_back
from swaplab.conversion.picture import read_alpha_and_profile, write_picture
from swaplab.conversion.report import Report
from swaplab.conversion.swapper import FaceSwapper
from swaplab.conversion.video_writer import VideoWriter
from swaplab.errors import UserError
from swaplab.faces.detection import Detection
from swaplab.faces.finding import Choice, FrameFaces, every_face, find_faces, in_batches, largest_face
from swaplab.faces.hull import hull_mask
from swaplab.faces.media import Frame, Video, read_picture
from swaplab.faces.search import FindLandmarks, Search
from swaplab.marking.label import Label
from swaplab.progress import Advance, silent

Pixels = NDArray[np.uint8]
# limits for frames in memory: enough for full batches, few enough for 4K
MOST_FRAMES, MOST_BYTES = 32, 64_000_000
CHOICES: dict[str, Choice] = {"largest": largest_face, "all": every_face}


@dataclass(frozen=True)
class Settings:
    """How faces are swapped.

    ``faces``: ``largest`` swaps in each frame the face with the largest total area over its track, ``all`` every face.
    ``colour``: ``statistics`` gives the swapped face the colours of the one that it replaces, ``none`` keeps its own.
    ``alpha``: ``learned_and_hull`` is the learned mask inside the landmarks' hull, ``hull`` the hull alone.
    ``feather``: width of the soft edge as a fraction of the face region's side.
    """

    faces: Literal["largest", "all"] = "largest"
    colour: Literal["statistics", "none"] = "statistics"
    alpha: Literal["learned_and_hull", "hull"] = "learned_and_hull"
    feather: float = 0.1


@dataclass(frozen=True)
class Converter:
    """Converts pictures and videos. Faces with implausible points are not swapped.

    ``search`` finds faces. ``find_landmarks``: stored crops (n, S, S, 3) -> 68 landmarks (n, 68, 2) in their pixels.
    ``swapper`` swaps faces. ``label`` is drawn on every frame; None if the audience is told elsewhere.
    """

    search: Search
    find_landmarks: FindLandmarks
    swapper: FaceSwapper
    label: Label | None
    settings: Settings = field(default_factory=Settings)

    def picture(self, source: Path, output: Path, progress: Advance = silent) -> Report:
        """Convert one picture. Raises UserError if no face is found in it."""
        report = Report()
        with report.timed("read"):
            image = read_picture(source)
        (found,) = self._found([[Frame(0, 0.0, 0, image)]], source, report)
        self._swap([image], [found.faces], report)
        with report.timed("write"):
            alpha, profile = read_alpha_and_profile(source)
            report.notes += write_picture(output, self._labelled(image), alpha, profile)
        progress("swapping faces", 1, 1)
        report.frames_out = 1
        return report

    def trial(self, source: Path, output: Path, progress: Advance = silent) -> Report:
        """Write the first second of a video like `video`, but without swaps and sound."""
        report = Report()
        with Video.open(source) as video, VideoWriter(output, video, sound=False) as writer:
            for frame in islice(video.frames(), max(1, round(video.rate))):
                writer.write(self._labelled(writer.fitted(frame.image)), frame.pts)
                progress("testing the marks", 1, None)
        report.frames_in = report.frames_out = writer.frames
        return report

    def video(self, source: Path, output: Path, progress: Advance = silent) -> Report:
        """Convert a video in two passes: find faces, then swap them, with only one batch of frames in memory.

        Raises UserError if no frame has a face.
        """
        report = Report()
        with Video.open(source) as video, VideoWriter(output, video) as writer:
            found = self._found(_announced(source, report, progress), source, report)
            for frames in _batches(video, report):
                images = [frame.image for frame in frames]
                faces = [each.faces for each in found[frames[0].index : frames[-1].index + 1]]
                self._swap(images, faces, report, frames[0].aspect)
                for frame, image in zip(frames, images, strict=True):
                    with report.timed("label"):
                        image = self._labelled(writer.fitted(image))
                    with report.timed("encode"):
                        writer.write(image, frame.pts)
                progress("swapping faces", len(frames), len(found))
        report.frames_out = writer.frames
        report.notes += writer.notes + video.notes
        if video.damage:
            report.notes.append(f"the input is damaged: {video.damage}")
        return report

    def _found(self, batches: Iterable[Sequence[Frame]], source: Path, report: Report) -> list[FrameFaces]:
        """First pass: the faces of every frame, and those to swap. Raises UserError if there is none."""

        def search(frames: Sequence[Pixels], aspect: float = 1.0) -> list[list[Detection]]:
            with report.timed("find faces"):
                found = self.search(frames, aspect)
            possible = [[face for face in faces if face.possible] for faces in found]
            report.implausible += sum(map(len, found)) - sum(map(len, possible))
            return possible

        found = find_faces(batches, search, CHOICES[self.settings.faces])
        report.frames_in, report.faces = len(found), sum(len(frame.chosen) for frame in found)
        report.other_faces = sum(len(frame.detections) for frame in found) - report.faces
        report.passed_through = sum(not frame.chosen for frame in found)
        if not any(frame.detections for frame in found):
            where = "in it" if len(found) == 1 else f"in any of its {len(found)} frames"
            raise UserError(f"{source}: no face was found {where}; lower min_face or probability, or use another file")
        return found

    def _swap(self, images: list[Pixels], chosen: list[list[Detection]], report: Report, aspect: float = 1.0) -> None:
        """Swap the chosen faces of frames, in place."""
        alignment = self.swapper.alignment
        places = [(i, alignment.matrix(face.points, aspect)) for i, faces in enumerate(chosen) for face in faces]
        if not places:
            return
        with report.timed("align"):
            crops = np.stack([alignment.cut(images[i], matrix) for i, matrix in places])
        with report.timed("landmarks"):
            landmarks = self.find_landmarks(crops)
        with report.timed("swap"):
            raw, masks = self.swapper(crops)
        with report.timed("masks"):
            alphas = np.stack([self._hull_alpha(points) for points in landmarks])
            if masks is not None and self.settings.alpha == "learned_and_hull":
                alphas *= masks
        with report.timed("colour"):
            if self.settings.colour == "statistics":
                raw = match_statistics(raw, np.float32(1 / 255) * alignment.region_of(crops), alphas)
        with report.timed("paste back"):
            shift = np.array([[0, 0, alignment.border], [0, 0, alignment.border]])
            for (i, matrix), face, alpha in zip(places, raw, alphas, strict=True):
                paste_back(images[i], face, alpha, matrix - shift)

    def _hull_alpha(self, landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
        side, border = self.swapper.alignment.region, self.swapper.alignment.border
        finer = (landmarks - border + 0.5) * FINER - 0.5
        return feathered(hull_mask(finer, (side * FINER, side * FINER)), side, self.settings.feather)

    def _labelled(self, image: Pixels) -> Pixels:
        return image if self.label is None else self.label.draw(image)


def _announced(source: Path, report: Report, progress: Advance) -> Iterator[list[Frame]]:
    """The frames of a video in batches, with progress."""
    with Video.open(source) as video:
        for frames in _batches(video, report):
            yield frames
            progress("finding faces", len(frames), video.frame_count)


def _batches(video: Video, report: Report) -> Iterator[list[Frame]]:
    """The frames of a video in batches that fit into memory."""
    size = max(1, min(MOST_FRAMES, MOST_BYTES // (video.width * video.height * 3)))
    return in_batches(video.frames(), size, partial(report.timed, "read"))
