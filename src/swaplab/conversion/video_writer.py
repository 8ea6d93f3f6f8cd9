"""Frames back into a video: the original's timing and sound, H.264 pictures."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

# Visually lossless for H.264; everything outside the face should stay what it was.
QUALITY = {"crf": "16", "preset": "medium"}
AAC_FRAME = 1024
# Ticks a second in which the container says when a stream begins; by default they are milliseconds.
MOVIE_TIMESCALE = "90000"
UNSPECIFIED = 2
LIMITED_RANGE = 1


class VideoWriter:
    """Encodes frames of ``original`` to ``path`` (.mp4 or .mov) and copies its sound.

    Every frame keeps its time; all times move by one shift, so that the file starts at zero. Audio packets are copied
    bit for bit where the container can carry their codec, else encoded to AAC. H.264 4:2:0 has even sides only: an odd
    frame's last column or row is repeated. ``notes`` says in words what could not be kept.
    """

    def __init__(self, path: Path, original: Path, width: int, height: int) -> None:
        self.path, self.original, self.width, self.height = path, original, width, height
        self.notes: list[str] = []
        self.frames = 0

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as stack:
            self._input = stack.enter_context(av.open(str(self.original)))
            options = {"movflags": "+faststart", "fflags": "+bitexact", "movie_timescale": MOVIE_TIMESCALE}
            self._output = stack.enter_context(av.open(str(self.path), "w", container_options=options))
            self._begin_video(self._input.streams.video[0])
            self._audio = _Sound(self._input, self._output, self.path.suffix, self.notes)
            self._stack = stack.pop_all()
        return self

    def _begin_video(self, source: Any) -> None:
        codec, rate = source.codec_context, source.average_rate or Fraction(25)
        self._time_base: Fraction = source.time_base
        self._last: int | None = None
        self._duration = max(1, round(1 / rate / self._time_base))
        self._shift = round(Fraction(self._input.start_time or 0, 1_000_000) / self._time_base)
        self._stream = self._output.add_stream("libx264", rate=rate, options=QUALITY)
        target = self._stream.codec_context
        target.width, target.height = self.width + self.width % 2, self.height + self.height % 2
        target.pix_fmt, target.time_base = "yuv420p", self._time_base
        aspect = codec.sample_aspect_ratio
        if aspect:
            turned = (source.width, source.height) == (self.height, self.width) != (self.width, self.height)
            target.sample_aspect_ratio = 1 / aspect if turned else aspect
        target.color_range, self._matrix = LIMITED_RANGE, codec.colorspace
        target.colorspace, target.color_primaries = codec.colorspace, codec.color_primaries
        target.color_trc = codec.color_trc
        if (target.width, target.height) != (self.width, self.height):
            self.notes.append(
                f"{self.width} x {self.height} is odd, which H.264 cannot hold: the last column or row is repeated, "
                f"{target.width} x {target.height}"
            )
        others = len(self._input.streams) - 1 - len(self._input.streams.audio)
        if others:
            self.notes.append(f"{others} stream(s) other than the first video and sound were not copied")

    def write(self, image: NDArray[np.uint8], pts: int | None) -> None:
        """Encode one frame (H, W, 3) RGB. ``pts``: its time in the original, in units of the original's time base.

        A missing or repeated time becomes the next that is free.
        """
        if (target := self._stream.codec_context).width != image.shape[1] or target.height != image.shape[0]:
            image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        # An untagged video was read with swscale's default matrix: written with the same, its bytes mean the same.
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace=None if self._matrix == UNSPECIFIED else self._matrix,
            dst_color_range=LIMITED_RANGE,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )
        if pts is None:
            wanted = 0 if self._last is None else self._last + self._duration
        else:
            wanted = pts - self._shift if self._last is None else max(pts - self._shift, self._last + 1)
        frame.pts, frame.time_base, frame.duration = wanted, self._time_base, self._duration
        self._last = wanted
        self._mux(self._stream.encode(frame))
        self._audio.copy_until(wanted * self._time_base)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._output.mux(packet)
            self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._mux(self._stream.encode(None))
                self._audio.copy_until(None)


class _Sound:
    """The audio streams of a video on their way to another, in step with its frames."""

    def __init__(self, source: Any, output: Any, suffix: str, notes: list[str]) -> None:
        self._source, self._output, self._notes = source, output, notes
        self._start = Fraction(source.start_time or 0, 1_000_000)
        self._encoders: dict[int, _Reencoder] = {}
        self._targets: dict[int, Any] = {}
        for stream in source.streams.audio:
            if _carries(suffix, stream):
                self._targets[stream.index] = output.add_stream_from_template(stream)
                continue
            notes.append(f"{suffix} cannot carry {stream.codec_context.name} sound: it was encoded to AAC")
            self._encoders[stream.index] = _Reencoder(output, stream)
        self._packets = self._all_packets()
        self._next = next(self._packets, None)

    def copy_until(self, time: Fraction | None) -> None:
        """Write all packets up to a time in seconds from the start; None: all that are left."""
        while self._next is not None and (time is None or self._next.dts * self._next.time_base <= time):
            self._output.mux(self._next)
            self._next = next(self._packets, None)

    def _all_packets(self) -> Iterator[Any]:
        if not self._source.streams.audio:
            return
        try:
            for packet in self._source.demux(*self._source.streams.audio):
                index = packet.stream_index
                shift = round(self._start / packet.time_base)
                if index in self._encoders:
                    yield from self._encoders[index].packets(packet, self._start)
                elif packet.dts is not None:
                    packet.dts -= shift
                    packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                    packet.stream = self._targets[index]
                    yield packet
        except av.error.InvalidDataError as error:
            self._notes.append(f"the sound is damaged and ends early ({error.strerror})")


class _Reencoder:
    """One audio stream to AAC."""

    def __init__(self, output: Any, stream: Any) -> None:
        codec = stream.codec_context
        self._stream = output.add_stream("aac", rate=codec.sample_rate, layout=codec.layout.name, bit_rate=192_000)
        self._resampler = AudioResampler("fltp", codec.layout.name, codec.sample_rate, frame_size=AAC_FRAME)

    def packets(self, packet: Any, start: Fraction) -> Iterator[Any]:
        """AAC packets for one packet of the original; its last, empty one flushes."""
        for frame in packet.decode():
            frame.pts -= round(start / frame.time_base)
            yield from self._encoded(self._resampler.resample(frame))
        if packet.dts is None and packet.size == 0:
            yield from self._encoded([*self._resampler.resample(None), None])

    def _encoded(self, frames: list[Any]) -> Iterator[Any]:
        for frame in frames:
            yield from self._stream.encode(frame)


def _carries(suffix: str, stream: Any) -> bool:
    """Whether a container takes the packets of an audio stream as they are: tried on an empty file in memory."""
    try:
        with av.open(io.BytesIO(), "w", format=suffix.removeprefix(".").lower()) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    return True
