"""Pictures and videos of the user as upright RGB frames, whatever they were made with.

Pictures are read by Pillow, videos by FFmpeg (PyAV). What cannot be read is one sentence; nothing is guessed from a
file's name alone.
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

# What a folder is searched for. A file named on its own may have any name.
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".wmv", ".3gp"}

# What Pillow raises on damaged files, by format.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def kind_of(path: Path) -> Kind:
    """Whether a file holds a picture or a video, by its content; an animated GIF is a video.

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
            # FFmpeg takes a picture that Pillow could not read, or anything named like one, for a video of one frame.
            if container.streams.video and not container.format.name.endswith(("image2", "_pipe")):
                return "video"
    except av.error.FFmpegError:
        pass
    raise UserError(f"{path} is neither a picture nor a video that can be read; check the file or give another")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder where one picture or video is needed; give a file")
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
    """The picture as RGB (H, W, 3), turned as its EXIF orientation says.

    Grey, palette, 16-bit, CMYK and alpha are converted; transparent pixels keep their colour. Raises UserError if the
    file is missing, empty, damaged or no picture.
    """
    _check_file(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return _rgb(upright)
    except Image.UnidentifiedImageError:
        raise UserError(f"{path} is no picture that can be read; give a PNG or JPEG") from None
    except _DAMAGE as error:
        raise UserError(f"{path} is damaged ({_reason(error)}); restore it or give another picture") from None


def _rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow would clip the 16 bits of these modes to 8 instead of scaling them.
        grey = np.asarray(image, dtype=np.float64)
        scale = 255 / 65535 if image.mode.startswith("I") else 255 / max(float(grey.max()), 1.0)
        return np.repeat((grey * scale).round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return np.array(image.convert("RGB"), dtype=np.uint8)


@dataclass(frozen=True)
class Frame:
    """A frame: its place in the video, seconds since the first frame, time stamp, upright RGB (H, W, 3).

    Times rise; ``pts`` is in units of the video's time base. Pixels are ``aspect`` times as wide as high.
    """

    index: int
    time: float
    pts: int
    image: Pixels
    aspect: float = 1.0


class Video:
    """A video being read: facts at once, frames one by one, in the order they are shown.

    ``width`` and ``height`` are those of upright frames; ``rotation`` (0, 90, 180, 270 degrees counterclockwise) made
    them so; ``aspect``: their pixels are so many times as wide as high. ``rate`` is the average, in frames a second;
    ``duration`` is in seconds or None, ``frame_count`` is what the container says is shown, or None. ``damage``, known
    once the frames were read, says what could not be decoded.
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
            raise UserError(f"{path} holds no frame that can be decoded{reason}; record or export it again")
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
        # What no camera and no disc has is taken for a slip.
        if not stated or not Fraction(1, 4) <= stated <= 4:
            return Fraction(1)
        return 1 / stated if self.rotation in (90, 270) else stated

    @property
    def shifts(self) -> Sequence[Fraction]:
        """By how many seconds the parts of a joined recording were moved, as far as its frames were read."""
        return self._rising.shifts

    @property
    def notes(self) -> list[str]:
        """What is no damage but was mended or left out, in words; known once the frames were read."""
        notes = []
        if self._headless:
            notes.append(f"it begins {self._headless} frame(s) before its first key frame: these cannot be shown")
        if mended := self._rising.mended:
            joined = f", {len(self.shifts) - 1} of them where recordings were joined" if len(self.shifts) > 1 else ""
            notes.append(f"{mended} time stamp(s) step back or repeat{joined}: times were made to rise")
        return notes

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["Video"]:
        """Open a video. Raises UserError if it is missing, empty, no video, or holds no frame that can be decoded."""
        _check_file(path)
        try:
            container = av.open(str(path))
        except av.error.FFmpegError as error:
            raise UserError(f"{path} is no video that can be read ({_reason(error)}); export it again") from None
        with container:
            if not container.streams.video:
                raise UserError(f"{path} holds no pictures, only sound; give a video")
            yield cls(path, container)

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """All frames, or each ``every``-th, once. What cannot be decoded is passed over and told of in ``damage``.

        Raises UserError if the frames change their size.
        """
        if self._first is None:
            raise ValueError("the frames of a video are read once; open it again")
        first, self._first = self._first, None
        begin, index = None, 0
        decoded: Any = first
        while decoded is not None:
            if (decoded.width, decoded.height) != (first.width, first.height):
                raise UserError(
                    f"{self.path} changes its size at frame {index} from {first.width} x {first.height} to "
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
            self.damage = f"{self.frame_count} frames are announced, {index} could be decoded"

    def _decode(self, container: Any) -> Iterator[Any]:
        """Decoded frames; a packet that cannot be decoded does not end the video, one that cannot be read does."""
        packets = container.demux(self._stream)
        broken, shown, lead, begun = 0, 0, 0, False
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.damage = f"the file cannot be read to its end: {_reason(error)}"
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
                    self.damage = f"{broken} packets cannot be decoded: {_reason(error)}"
            if not packet.size:
                self._headless = max(0, min(lead, shown - broken))


def _announced(stream: Any) -> int | None:
    """How many frames the container says are shown: an edit list hides those that were cut off."""
    listed = [entry.is_discard for entry in stream.index_entries]
    return (listed.count(False) if 0 < len(listed) <= stream.frames else stream.frames) or None


def _reason(error: BaseException) -> str:
    """What a library says is wrong, without the path, which our sentence names already."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__).strip()
    return re.sub(r"^\[Errno \d+\] ", "", text.splitlines()[0] if text else type(error).__name__)


def expand_inputs(text: str, kinds: Collection[Kind] = KINDS) -> tuple[list[Path], list[str]]:
    """The files that a command's ``input`` names: files and folders, separated by commas.

    A path that exists is taken whole, commas and all. Of a folder: its pictures and videos by name, without its
    subfolders; those that cannot be read are told of, a sentence each, as the second part of what is returned. Raises
    UserError if something named is missing, unreadable, or of another kind than ``kinds``, or if nothing is left.
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
            or f"input={text} names no {' or '.join(kinds)}; give a file, a folder, or several with commas"
        )
    return list(files), unreadable


def all_unreadable(sentences: Sequence[str]) -> str:
    """One sentence for files none of which can be read; empty without any."""
    others = f"; neither can {len(sentences) - 1} more" if len(sentences) > 1 else ""
    return f"{sentences[0]}{others}" if sentences else ""


def _named(text: str) -> Iterator[Path]:
    """Existing paths, the longest first: a name may hold commas itself."""
    parts = text.split(",")
    while parts:
        for taken in range(len(parts), 0, -1):
            name = ",".join(parts[:taken]).strip()
            if name and expanded(name).exists():
                yield expanded(name)
                break
        else:
            if parts[0].strip():
                raise UserError(f"{parts[0].strip()} does not exist; check the path given as input")
            taken = 1
        parts = parts[taken:]


def _media_of(folder: Path) -> list[Path]:
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES and not file.name.startswith(".")
    ]
    if not found:
        raise UserError(f"{folder} holds no picture and no video (subfolders are not searched); give their folder")
    return found


def _exact(decoded: av.VideoFrame) -> NDArray[np.uint8]:
    """A decoded frame (H, W, 3) in RGB; the default conversion is fast and darkens all by a level of 255."""
    exact = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
    return np.asarray(decoded.reformat(format="rgb24", interpolation=exact).to_ndarray())
