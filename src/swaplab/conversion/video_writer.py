"""Write a video: H.264 frames with the timing and sound of the original."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from swaplab.conversion.sound import Sound
from swaplab.errors import UserError
from swaplab.faces.media import Video

# visually lossless, because everything outside the face should stay the same
QUALITY = {"crf": "16", "preset": "medium"}
# ticks per second for the start time of streams in the container; the default is 1000
MOVIE_TIMESCALE = "90000"
RGB, UNSPECIFIED = 0, 2
LIMITED_RANGE = 1


class VideoWriter:
    """Encodes frames of ``original`` to ``path`` (.mp4 or .mov), with its sound.

    Every frame keeps its time, except for a common shift that makes the file start at zero. Entering the block sets up
    streams, encoders and container. H.264 4:2:0 needs even sides, so the last column or row of an odd frame is
    repeated. ``notes``: what could not be kept. If the block fails, no file is left.
    """

    def __init__(self, path: Path, original: Video, sound: bool = True) -> None:
        self.path, self.original, self._sounding = path, original, sound
        self.width, self.height = (side + side % 2 for side in (original.width, original.height))
        self.notes: list[str] = []
        self.frames = 0

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as stack:
            stack.push(self._remove_failed)
            self._input = stack.enter_context(av.open(str(self.original.path)))
            options = {"movflags": "+faststart", "fflags": "+bitexact", "movie_timescale": MOVIE_TIMESCALE}
            self._output = stack.enter_context(av.open(str(self.path), "w", container_options=options))
            self._begin_video(self._input.streams.video[0])
            self._sound: Sound | None = None
            if self._sounding:
                self._sound = Sound(self._input, self._output, self.original.path, self.path.suffix, self.notes)
            self._output.start_encoding()
            self._stack = stack.pop_all()
        return self

    def _begin_video(self, source: Any) -> None:
        codec, rate, original = source.codec_context, self.original.rate, self.original
        self._time_base = original.time_base
        self._duration = original.frame_duration
        self._shift = round(Fraction(self._input.start_time or 0, av.time_base) / self._time_base)
        self._stream = self._output.add_stream("libx264", rate=rate, options=QUALITY)
        target = self._stream.codec_context
        target.width, target.height = self.width, self.height
        target.pix_fmt, target.time_base = "yuv420p", self._time_base
        target.sample_aspect_ratio = original.aspect
        # 4:2:0 cannot have the colour matrix of an RGB original; players would show such a tag in green
        self._matrix = UNSPECIFIED if codec.colorspace == RGB else codec.colorspace
        target.color_range = LIMITED_RANGE
        target.colorspace, target.color_primaries = self._matrix, codec.color_primaries
        target.color_trc = codec.color_trc
        if (self.width, self.height) != (original.width, original.height):
            self.notes.append(
                f"H.264 needs even sides, so the last column or row of {original.width} x {original.height} was "
                f"repeated, giving {self.width} x {self.height}"
            )
        others = len(self._input.streams) - 1 - len(self._input.streams.audio)
        if others:
            self.notes.append(f"{others} stream(s) other than the first video and sound were not copied")

    def fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame of the original (H, W, 3), padded to the size of the output."""
        height, width = image.shape[:2]
        return np.pad(image, ((0, self.height - height), (0, self.width - width), (0, 0)), "edge")

    def write(self, image: NDArray[np.uint8], pts: int) -> None:
        """Encode one `fitted` frame, RGB. ``pts``: its time in the original's time base, after the previous one."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        # an untagged video is read with swscale's default matrix; writing with the same one preserves the colours
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace=None if self._matrix == UNSPECIFIED else self._matrix,
            dst_color_range=LIMITED_RANGE,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )
        frame.pts, frame.time_base, frame.duration = pts - self._shift, self._time_base, self._duration
        self._mux(self._stream.encode(frame))
        if self._sound:
            self._sound.copy_until(frame.pts * self._time_base, self.original.shifts)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._output.mux(packet)
            self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.push(self._end)
        self._stack.__exit__(kind, error, trace)

    def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._mux(self._stream.encode(None))
            if self._sound:
                self._sound.copy_until(None, self.original.shifts)

    def _remove_failed(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is not None:
            self.path.unlink(missing_ok=True)
        if isinstance(error, av.error.FFmpegError) and not isinstance(error, OSError):
            raise UserError(f"{self.path.name} cannot be written ({error.strerror}); no output was kept") from error
