"""Transfer the sound of a video to another: copied if possible, else encoded, else left out."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import av
from av.audio.resampler import AudioResampler

from swaplab.faces.rising import JOIN

AAC_FRAME = 1024
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
BITS_PER_CHANNEL = 96_000
# layouts for sound without a channel layout: the most common one for each number of channels
USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
# number of packets of the original, including video, that are read to test a method
TRIED = 500
# seconds before the start that an audio decoder may need; anything earlier was cut off and stays so
LEAD = Fraction(1, 5)


class Track(Protocol):
    """One audio stream of the output."""

    target: Any

    def packets(self, packet: Any) -> Iterator[Any]:
        """The packets to write for one packet of the original; its last, empty one flushes."""
        ...


class _Copied:
    """Copies packets unchanged."""

    def __init__(self, output: Any, stream: Any) -> None:
        self.target = output.add_stream_from_template(stream)

    def packets(self, packet: Any) -> Iterator[Any]:
        if packet.size:
            packet.stream = self.target
            yield packet


class _Encoded:
    """Decodes packets and encodes them to AAC; packets that cannot be decoded are skipped."""

    def __init__(self, output: Any, stream: Any, layout: str) -> None:
        rate = next((rate for rate in AAC_RATES if rate >= stream.codec_context.sample_rate), AAC_RATES[-1])
        self.target = output.add_stream("aac", rate=rate, layout=layout)
        self.target.bit_rate = BITS_PER_CHANNEL * self.target.codec_context.layout.nb_channels
        self._new = partial(AudioResampler, "fltp", layout, rate, frame_size=AAC_FRAME)
        self._resampler = self._new()
        self._kind: tuple[str, str, int] | None = None
        self._due = Fraction(0)

    def packets(self, packet: Any) -> Iterator[Any]:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            frames = []
        for frame in frames:
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if self._kind not in (None, kind):  # a resampler accepts only one format
                yield from self._encoded(self._resampler.resample(None))
                self._resampler = self._new()
            self._kind = kind
            yield from self._encoded(self._resampler.resample(frame))
        if not packet.size:
            yield from self._encoded([*self._resampler.resample(None), None])

    def _encoded(self, frames: list[Any]) -> Iterator[Any]:
        for frame in frames:
            if frame is not None:
                frame.pts = round(self._due / frame.time_base) if frame.pts is None else frame.pts
                self._due = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
            yield from self.target.encode(frame)


class Sound:
    """The sound of ``original``, synchronised with the frames of ``output``, whose header must not be written yet.

    The constructor chooses and tests the method for every stream. Streams that are encoded or left out are added to
    ``notes``.
    """

    def __init__(self, source: Any, output: Any, original: Path, suffix: str, notes: list[str]) -> None:
        self._output, self._notes = output, notes
        self._start = Fraction(source.start_time or 0, av.time_base)
        self._tracks: dict[int, Track] = {}
        for stream in source.streams.audio:
            way, note = _way(original, stream, suffix)
            notes += [note] if note else []
            if way:
                self._tracks[stream.index] = way(output, stream)
        self._parts = dict.fromkeys(self._tracks, 0)
        self._stated: dict[int, int] = {}
        self._heard: dict[int, Fraction] = {}
        self._late: dict[tuple[int, int], Fraction] = {}
        self._written: dict[int, int] = {}
        self._packets = self._read(source)
        self._next = next(self._packets, None)

    def copy_until(self, time: Fraction | None, shifts: Sequence[Fraction]) -> None:
        """Write all packets up to ``time``, in seconds from the start; None: all remaining ones.

        ``shifts``: time shifts of the segments of a joined recording whose frames were read so far. Sound of a later
        segment waits for its frames; if none come, it follows the sound before it.
        """
        while self._next is not None:
            # not `stream_index`, which is 0 in the last packet of a stream
            packet, index = self._next, self._next.stream.index
            if packet.dts is not None:
                stated, part = packet.dts * packet.time_base, self._parts[index]
                if part >= len(shifts) and time is not None:
                    return
                late = self._late.setdefault((index, part), self._heard.get(index, self._start) - stated)
                shift = shifts[part] - self._start if part < len(shifts) else late
                if time is not None and stated + shift > time:
                    return
                moved = round(shift / packet.time_base)
                packet.pts = (packet.dts if packet.pts is None else packet.pts) + moved
                packet.dts += moved
                self._heard[index] = (packet.dts + (packet.duration or 1)) * packet.time_base
            for ready in self._tracks[index].packets(packet):
                _write(self._output, ready, self._written)
            self._next = next(self._packets, None)

    def _read(self, source: Any) -> Iterator[Any]:
        """The packets of transferred streams, in file order; each joint of a joined recording starts a segment."""
        if not self._tracks:
            return
        try:
            for packet in source.demux(*(source.streams[index] for index in self._tracks)):
                index = packet.stream.index
                if packet.dts is not None:
                    if packet.is_discard and packet.dts * packet.time_base < self._start - LEAD:
                        continue
                    back = self._stated.get(index, packet.dts) - packet.dts
                    self._parts[index] += back * packet.time_base > JOIN
                    self._stated[index] = packet.dts
                elif packet.size:
                    continue
                yield packet
        except av.error.FFmpegError as error:
            self._notes.append(f"the sound is damaged and ends early ({error.strerror})")


def _way(original: Path, stream: Any, suffix: str) -> tuple[Callable[[Any, Any], Track] | None, str | None]:
    """The method for an audio stream (None: left out), and a note about it (None: copied)."""
    codec = stream.codec_context
    if codec is None:
        return None, "sound with an unknown codec was left out"
    if _works(_Copied, original, stream, suffix):
        return _Copied, None
    for layout in dict.fromkeys([codec.layout.name, USUAL_LAYOUTS.get(codec.layout.nb_channels, "stereo"), "stereo"]):
        way = partial(_Encoded, layout=layout)
        if _works(way, original, stream, suffix):
            return way, f"{suffix} does not support {codec.name} sound, so it was encoded to AAC"
    return None, f"{suffix} does not support {codec.name} sound, and it cannot be encoded, so it was left out"


def _works(way: Callable[[Any, Any], Track], original: Path, stream: Any, suffix: str) -> bool:
    """Whether the first packets of a stream can be written to such a container, tested with a file in memory."""
    read = written = 0
    try:
        kind = suffix.removeprefix(".").lower()
        with av.open(str(original)) as source, av.open(io.BytesIO(), "w", format=kind) as trial:
            track, last = way(trial, source.streams[stream.index]), dict[int, int]()
            trial.start_encoding()
            for packet in islice(source.demux(), TRIED):
                if packet.stream.index != stream.index or (packet.size and packet.dts is None):
                    continue
                read += bool(packet.size)
                for ready in track.packets(packet):
                    _write(trial, ready, last)
                    written += 1
    except (ValueError, av.error.FFmpegError):
        return False
    return bool(written) or not read


def _write(output: Any, packet: Any, written: dict[int, int]) -> None:
    """Write a packet at its time, or the next free one; ``written``: the last time of each stream."""
    index = packet.stream.index
    if index in written:
        # one tick of the output may be several ticks of the packet
        packet.dts = max(packet.dts, written[index] + max(1, math.ceil(packet.stream.time_base / packet.time_base)))
    packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
    written[index] = packet.dts
    output.mux(packet)
