"""Read pictures and videos as upright RGB frames.

Pictures are read with Pillow, videos with FFmpeg (PyAV). The kind of a file is determined by its content, not its name.
"""

import re
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image, ImageOps

from swaplab.errors import UserError
from swaplab.faces.rising import Rising
from swaplab.places import expanded

Pixels = NDArray[np.uint8]
Kind = Literal["picture", "video"]
KINDS: tuple[Kind, ...] = ("picture", "video")

# suffixes searched for in a folder; a file given by its path may have any name
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".wmv", ".3gp"}

# the exceptions that Pillow raises for damaged files of different formats
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def kind_of(path: Path) -> Kind:
    """Whether a file is a picture or a video, by its content; an animated GIF is a video.

    Raises UserError if it is missing, a folder, unreadable, empty, or neither.
    """
    _check_file(path)
    try:
        with Image.open(path) as image:
            moving = image.format == "MPEG" or (image.format == "GIF" and getattr(image, "is_animated", False))
            return "video" if moving else "picture"
    except _DAMAGE:
        pass  # not one of Pillow's formats
    try:
        with av.open(str(path)) as container:
            # FFmpeg reads a picture that Pillow could not read, or any file named like one, as a video of one frame
            if container.streams.video and not container.format.name.endswith(("image2", "_pipe")):
                return "video"
    except av.error.FFmpegError:
        pass
    raise UserError(f"{path} is neither a picture nor a video that can be read; check the file or use another")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder, but a picture or video is needed; give a file")
    if not path.exists():
        raise UserError(f"{path} does not exist; check the path")
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not first:
        raise UserError(f"{path} is empty (0 bytes); copy or record it again")


def read_picture(path: Path) -> Pixels:
    """The picture as RGB (H, W, 3), rotated by its EXIF orientation.

    Grey, palette, 16-bit, CMYK and alpha are converted; transparent pixels keep their colour. Raises UserError if the
    file is missing, empty, damaged or not a picture.
    """
    _check_file(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return _rgb(upright)
    except Image.UnidentifiedImageError:
        raise UserError(f"{path} is not a readable picture; give a PNG or JPEG") from None
    except _DAMAGE as error:
        raise UserError(f"{path} is damaged ({_reason(error)}); restore it or use another picture") from None


def _rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow would clip 16-bit values of these modes to 8 bits instead of scaling them
        grey = np.asarray(image, dtype=np.float64)
        scale = 255 / 65535 if image.mode.startswith("I") else 255 / max(float(grey.max()), 1.0)
        return np.repeat((grey * scale).round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return np.array(image.convert("RGB"), dtype=np.uint8)


@dataclass(frozen=True)
class Frame:
    """A frame: index in the video, seconds since the first frame, time stamp, upright RGB ``image`` (H, W, 3).

    Times increase strictly; ``pts`` is in units of the video's time base. Pixels are ``aspect`` times as wide as high.
    """

    index: int
    time: float
    pts: int
    image: Pixels
    aspect: float = 1.0


class Video:
    """An open video: its properties, and its frames in display order.

    ``width``, ``height``: of upright frames, which result from ``rotation`` (0, 90, 180, 270 degrees counterclockwise).
    ``aspect``: width / height of a pixel. ``rate``: average frames per second. ``duration``: in seconds, or None.
    ``frame_count``: number of displayed frames according to the container, or None. ``damage``: what could not be
    decoded, known after the frames were read.
    """

    def __init__(self, path: Path, container: Any) -> None:
        self.path = path
        self.damage: str | None = None
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._decoded = self._decode(container)
        self._first = next(self._decoded, None)
        if self._first is None:
            reason = f" ({self.damage})" if self.damage else ""
            raise UserError(f"{path} has no frame that can be decoded{reason}; record or export it again")
        self.rotation = round(self._first.rotation / 90) % 4 * 90
        sides = (self._first.width, self._first.height)
        self.width, self.height = sides[::-1] if self.rotation in (90, 270) else sides
        self.rate: Fraction = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self.aspect = self._pixel_aspect()
        self.time_base: Fraction = self._stream.time_base
        self.frame_duration = max(1, round(1 / self.rate / self.time_base))
        self._rising = Rising(self.time_base)
        self.has_audio = bool(container.streams.audio)
        self.frame_count = _announced(self._stream)
        self._headless = 0
        self.duration: float | None = None if container.duration is None else container.duration / av.time_base

    def _pixel_aspect(self) -> Fraction:
        stated = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        # an implausible value is ignored
        if not stated or not Fraction(1, 4) <= stated <= 4:
            return Fraction(1)
        return 1 / stated if self.rotation in (90, 270) else stated

    @property
    def shifts(self) -> Sequence[Fraction]:
        """The time shift in seconds of each segment of a joined recording whose frames were read so far."""
        return self._rising.shifts

    @property
    def notes(self) -> list[str]:
        """Repairs and omissions that are not damage, in words; known after the frames were read."""
        notes = []
        if self._headless:
            notes.append(f"{self._headless} frame(s) before the first key frame cannot be decoded and were skipped")
        if mended := self._rising.mended:
            joined = f", {len(self.shifts) - 1} of them where recordings were joined" if len(self.shifts) > 1 else ""
            notes.append(f"{mended} time stamp(s) went back or repeated{joined}; they were corrected to increase")
        return notes

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["Video"]:
        """Open a video. Raises UserError if it is missing, empty, not a video, or has no decodable frame."""
        _check_file(path)
        try:
            container = av.open(str(path))
        except av.error.FFmpegError as error:
            raise UserError(f"{path} is not a readable video ({_reason(error)}); export it again") from None
        with container:
            if not container.streams.video:
                raise UserError(f"{path} has no video stream, only sound; give a video")
            yield cls(path, container)

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """All frames, or every ``every``-th, once. What cannot be decoded is skipped and reported in ``damage``.

        Raises UserError if the size of the frames changes.
        """
        if self._first is None:
            raise ValueError("the frames of a video can be read only once; open it again")
        first, self._first = self._first, None
        begin, index = None, 0
        decoded: Any = first
        while decoded is not None:
            if (decoded.width, decoded.height) != (first.width, first.height):
                raise UserError(
                    f"{self.path} changes size at frame {index} from {first.width} x {first.height} to "
                    f"{decoded.width} x {decoded.height}; export it at one size"
                )
            pts = self._rising(decoded.pts, self.frame_duration)
            begin = pts if begin is None else begin
            if index % every == 0:
                image = np.rot90(_exact(decoded), self.rotation // 90)
                time = float((pts - begin) * self.time_base)
                yield Frame(index, time, pts, np.ascontiguousarray(image), float(self.aspect))
            index += 1
            decoded = next(self._decoded, None)
        if self.damage is None and self.frame_count and index + self._headless < self.frame_count:
            self.damage = f"only {index} of {self.frame_count} declared frames could be decoded"

    def _decode(self, container: Any) -> Iterator[Any]:
        """Decoded frames. A packet that cannot be decoded is skipped; one that cannot be read ends the video."""
        packets = container.demux(self._stream)
        broken, shown, lead, begun = 0, 0, 0, False
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.damage = f"the file cannot be read to the end: {_reason(error)}"
                return
            if packet is None:
                return
            begun = begun or packet.is_keyframe
            lead += not begun and bool(packet.size)
            shown += bool(packet.size) and not packet.is_discard
            try:
                for frame in packet.decode():
                    shown -= 1
                    yield frame
            except av.error.FFmpegError as error:
                broken += begun
                if begun:
                    self.damage = f"{broken} packet(s) cannot be decoded: {_reason(error)}"
            if not packet.size:
                self._headless = max(0, min(lead, shown - broken))


def _announced(stream: Any) -> int | None:
    """The number of displayed frames according to the container; an edit list hides those that were cut off."""
    listed = [entry.is_discard for entry in stream.index_entries]
    return (listed.count(False) if 0 < len(listed) <= stream.frames else stream.frames) or None


def _reason(error: BaseException) -> str:
    """The reason in a library's error, without the path, which the message already contains."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__).strip()
    return re.sub(r"^\[Errno \d+\] ", "", text.splitlines()[0] if text else type(error).__name__)


def expand_inputs(text: str, kinds: Collection[Kind] = KINDS) -> tuple[list[Path], list[str]]:
    """The files that a command's ``input`` names (files and folders, separated by commas), and a sentence for each
    unreadable file in a folder.

    A path that exists is used whole, including any commas. A folder stands for its pictures and videos, by name,
    without subfolders. Raises UserError if a named path is missing, unreadable or not one of ``kinds``, or if no file
    is left.
    """
    files: dict[Path, None] = {}
    unreadable: list[str] = []
    for path in _named(text):
        for file in _media_of(path) if path.is_dir() else (path,):
            try:
                kind = kind_of(file)
                if kind == "video":
                    with Video.open(file):
                        pass
            except UserError as error:
                if file is path:
                    raise
                unreadable.append(str(error))
                continue
            if kind in kinds:
                files[file] = None
            elif file is path:
                raise UserError(f"{file} is a {kind}; give a {' or '.join(kinds)}")
    if not files:
        raise UserError(
            all_unreadable(unreadable)
            or f"input={text} names no {' or '.join(kinds)}; give a file, a folder, or several, separated by commas"
        )
    return list(files), unreadable


def all_unreadable(sentences: Sequence[str]) -> str:
    """One sentence for files of which none can be read; empty without any."""
    others = f" (and {len(sentences) - 1} more cannot be read)" if len(sentences) > 1 else ""
    return f"{sentences[0]}{others}" if sentences else ""


def _named(text: str) -> Iterator[Path]:
    """Existing paths; the longest match wins, because a name may contain commas."""
    parts = text.split(",")
    while parts:
        for taken in range(len(parts), 0, -1):
            name = ",".join(parts[:taken]).strip()
            if name and expanded(name).exists():
                yield expanded(name)
                break
        else:
            if parts[0].strip():
                raise UserError(f"input {parts[0].strip()} does not exist; check the path")
            taken = 1
        parts = parts[taken:]


def _media_of(folder: Path) -> list[Path]:
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES and not file.name.startswith(".")
    ]
    if not found:
        raise UserError(
            f"{folder} has no picture or video (subfolders are not searched); give the folder with the files"
        )
    return found


def _exact(decoded: av.VideoFrame) -> NDArray[np.uint8]:
    """A decoded frame (H, W, 3) in RGB; the faster default conversion darkens every pixel by a level of 255."""
    exact = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
    return np.asarray(decoded.reformat(format="rgb24", interpolation=exact).to_ndarray())
