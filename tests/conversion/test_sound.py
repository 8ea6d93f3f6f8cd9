"""Sound of every kind reaches the output, or its absence is told before any work is done."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from swaplab.conversion.video_writer import VideoWriter
from swaplab.faces.media import Video


def rewritten(source: Path, output: Path) -> list[str]:
    """Writes the frames of ``source`` and its sound; returns all notes, of which those on sound come first."""
    with Video.open(source) as video, VideoWriter(output, video) as writer:
        planned = list(writer.notes)
        for frame in video.frames():
            writer.write(writer.fitted(frame.image), frame.pts)
        assert writer.notes == planned
    return [*planned, *video.notes]


def heard(path: Path) -> tuple[Any, Fraction]:
    """The samples of the first channel, and where they begin, in seconds from the first frame."""
    with av.open(str(path)) as container:
        begin = next(frame.pts * frame.time_base for frame in container.decode(video=0))
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    first = next(f.pts * f.time_base for f in frames if f.pts is not None)
    return np.concatenate(
        [f.to_ndarray().ravel("F" if f.format.is_planar else "C")[:: f.layout.nb_channels] for f in frames]
    ).astype(float), first - begin


def sound_of(path: Path) -> tuple[str, int, int]:
    """Codec, channels and rate."""
    with av.open(str(path)) as container:
        codec = container.streams.audio[0].codec_context
        return codec.name, codec.layout.nb_channels, codec.sample_rate


def frequency(samples: Any, rate: int) -> float:
    """The loudest frequency of a second of sound."""
    return float(
        np.abs(np.fft.rfft(samples[:rate] * np.hanning(len(samples[:rate])))).argmax() * rate / len(samples[:rate])
    )


CASES = {
    "pcm in matroska": ("a.mkv", ".mp4", {"sound": "pcm_s16le"}),
    "pcm in avi": ("a.avi", ".mp4", {"sound": "pcm_s16le", "codec": "mpeg4"}),
    "pcm in avi to mov": ("a.avi", ".mov", {"sound": "pcm_s16le", "codec": "mpeg4"}),
    "24 bits": ("a.mkv", ".mov", {"sound": "pcm_s24le"}),
    "adpcm in avi": ("a.avi", ".mp4", {"sound": "adpcm_ms", "codec": "mpeg4"}),
    "adpcm in avi to mov": ("a.avi", ".mov", {"sound": "adpcm_ima_wav", "codec": "mpeg4"}),
    "windows media": ("a.wmv", ".mp4", {"sound": "wmav2", "codec": "wmv2"}),
    "telephone": ("a.avi", ".mp4", {"sound": "pcm_mulaw", "sound_rate": 8000, "codec": "mpeg4"}),
    "a rate that AAC lacks": ("a.mkv", ".mp4", {"sound": "pcm_s16le", "sound_rate": 37000}),
    "opus": ("a.mkv", ".mp4", {"sound": "libopus", "sound_rate": 48000}),
    "ac3": ("a.mkv", ".mp4", {"sound": "ac3"}),
}


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_sound_arrives(case: str, layout: str, videos: Any, tmp_path: Path) -> None:
    name, suffix, settings = CASES[case]
    source, output = tmp_path / name, tmp_path / f"out{suffix}"
    videos.write(source, 25, layout=layout, **settings)
    notes = rewritten(source, output)
    (original, channels, rate), (codec, got_channels, got_rate) = sound_of(source), sound_of(output)
    assert got_channels == channels == (1 if layout == "mono" else 2)
    said = f"{suffix} does not support {original} sound, so it was encoded to AAC"
    assert notes == ([] if codec == original else [said])
    assert codec in (original, "aac")
    (before, began), (after, begins) = heard(source), heard(output)
    assert abs(len(before) / rate - len(after) / got_rate) < 0.06
    assert abs(began - begins) < 0.03
    assert abs(frequency(after, got_rate) - 440) < 3


def test_sound_of_many_channels_without_names_arrives(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.avi", sound="pcm_s16le", codec="mpeg4", layout="5.1")
    rewritten(source, tmp_path / "out.mp4")
    assert sound_of(tmp_path / "out.mp4")[1] in (2, 6)


def test_sound_that_nothing_can_read_is_left_out_and_told(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mkv", sound="libopus", sound_rate=48000)
    source.write_bytes(source.read_bytes().replace(b"A_OPUS", b"A_XXXX"))
    (note,) = rewritten(source, tmp_path / "out.mp4")
    assert note.endswith("left out")
    assert len(videos.frames_of(tmp_path / "out.mp4")[0]) == 12
    assert videos.packets_of(tmp_path / "out.mp4") == []


@pytest.mark.parametrize("sound", ["aac", "mp2", None])
def test_joined_recordings_follow_each_other_with_their_sound(sound: str | None, videos: Any, tmp_path: Path) -> None:
    parts = [videos.write(tmp_path / f"{frames}.ts", frames, sound=sound) for frames in (50, 20)]
    source, output = tmp_path / "joined.ts", tmp_path / "out.mp4"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    (note,) = rewritten(source, output)
    repaired = "1 time stamp(s) went back or repeated, 1 of them where recordings were joined"
    assert note == f"{repaired}; they were corrected to increase"
    _, times = videos.frames_of(output)
    assert times == [Fraction(i, 25) for i in range(70)]
    if sound:
        original, written = ([packet for packet, _ in videos.packets_of(path)] for path in (source, output))
        assert len(written) == len(original)
        starts = [float(time) for _, time in videos.packets_of(output)]
        assert all(np.diff(starts) > 0)
        # The second recording's sound is as far from its pictures as it was.
        second = len(videos.packets_of(parts[0]))
        assert abs(starts[second] - 2 - float(videos.packets_of(parts[1])[0][1])) < 0.03
