"""What a video keeps through the writer: frames, times, sound, shape, colours."""

from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from swaplab.conversion.video_writer import VideoWriter
from swaplab.errors import UserError
from swaplab.faces.media import Video


def rewritten(source: Path, output: Path) -> VideoWriter:
    with Video.open(source) as video, VideoWriter(output, video) as writer:
        for frame in video.frames():
            writer.write(writer.fitted(frame.image), frame.pts)
    return writer


MILLISECONDS = Fraction(1, 1000)
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "constant rate": ("a.mp4", ".mp4", {"sound": "aac"}),
    "29.97 without sound": ("a.mov", ".mov", {"time_base": Fraction(1001, 30000)}),
    "variable rate": (
        "a.mp4",
        ".mp4",
        {"sound": "aac", "time_base": MILLISECONDS, "times": list(accumulate([3, 7, 33, 40, 100, 21] * 2))},
    ),
    "pcm in mov": ("a.avi", ".mov", {"sound": "pcm_s16le", "codec": "mpeg4"}),
    "mpeg, times that begin late": ("a.mpg", ".mp4", {"sound": "mp2", "codec": "mpeg1video"}),
    "flac": ("a.mkv", ".mp4", {"sound": "flac", "time_base": MILLISECONDS, "times": [40 * i for i in range(12)]}),
    "one frame": ("a.mp4", ".mp4", {"frames": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_frames_times_and_sound_stay(case: str, videos: Any, tmp_path: Path) -> None:
    name, suffix, settings = CASES[case]
    source, output = videos.write(tmp_path / name, **settings), tmp_path / f"out{suffix}"
    writer = rewritten(source, output)
    images, times = videos.frames_of(source)
    got_images, got_times = videos.frames_of(output)
    assert len(got_images) == len(images) == writer.frames
    assert got_times == times
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(images, got_images, strict=True)) < 3
    packets, got_packets = videos.packets_of(source), videos.packets_of(output)
    assert bool(packets) == ("sound" in settings)
    assert [data for data, _ in got_packets] == [data for data, _ in packets]
    for (_, time), (_, got) in zip(packets, got_packets, strict=True):
        assert abs(time - got) < Fraction(1, 20000)
    assert writer.notes == []


def test_sound_that_the_container_cannot_carry_is_encoded_and_told(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mkv", sound="libopus", sound_rate=48000, frames=50)
    writer = rewritten(source, tmp_path / "out.mov")
    assert writer.notes == [".mov does not support opus sound, so it was encoded to AAC"]
    tones = []
    for path in (source, tmp_path / "out.mov"):
        with av.open(str(path)) as container:
            frames = [np.atleast_2d(f.to_ndarray()).mean(0) for f in container.decode(audio=0)]
            tones.append(np.concatenate(frames).astype(float))
    assert abs(len(tones[0]) - len(tones[1])) < 48000 * 0.06
    loudest = [np.abs(np.fft.rfft(tone[:48000])).argmax() for tone in tones]
    assert loudest[0] == loudest[1] == 440


def test_an_odd_picture_keeps_its_pixels_and_says_so(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.avi", size=(63, 47), codec="ffv1", pixels="bgr0")
    writer = rewritten(source, tmp_path / "out.mp4")
    assert "column or row of 63 x 47 was repeated" in writer.notes[0]
    images, _ = videos.frames_of(tmp_path / "out.mp4")
    assert images[0].shape == (48, 64, 3)
    assert np.abs(images[3][:47, :63].astype(int) - videos.picture(3, 63, 47)).mean() < 3
    assert np.abs(images[3][47, :63].astype(int) - images[3][46, :63]).mean() < 3


@pytest.mark.parametrize("tags", [(1, 1, 1), (2, 2, 2), (6, 6, 6), (9, 9, 14)])
def test_colours_and_their_tags_stay(tags: tuple[int, int, int], videos: Any, tmp_path: Path) -> None:
    settings = dict(zip(("colorspace", "color_primaries", "color_trc"), tags, strict=True))
    source, output = videos.write(tmp_path / "a.mp4", **settings), tmp_path / "out.mp4"
    rewritten(source, output)
    before, after = videos.frames_of(source)[0], videos.frames_of(output)[0]
    change = np.mean(before, (0, 1, 2)) - np.mean(after, (0, 1, 2))
    assert np.abs(change).max() < 2  # both are read by swscale's fast default here, which costs more than a level
    with av.open(str(output)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_primaries, codec.color_trc) == tags


def test_an_rgb_original_becomes_a_video_that_any_player_shows(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mov", codec="png", pixels="rgb24")
    rewritten(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.pix_fmt, codec.colorspace) == ("yuv420p", 2)
    images, _ = videos.frames_of(tmp_path / "out.mp4")
    assert np.abs(images[3].astype(int) - videos.picture(3, 64, 48)).mean() < 3


def test_a_wide_pixel_stays_wide_and_turns_with_the_picture(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(12, 11))
    rewritten(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.sample_aspect_ratio == Fraction(12, 11)
    turned = videos.write(tmp_path / "b.mp4", sample_aspect_ratio=Fraction(12, 11), rotation=90)
    rewritten(turned, tmp_path / "turned.mp4")
    with av.open(str(tmp_path / "turned.mp4")) as container:
        assert container.streams.video[0].codec_context.sample_aspect_ratio == Fraction(11, 12)


def test_a_block_that_fails_leaves_no_file(videos: Any, tmp_path: Path) -> None:
    source = videos.write(tmp_path / "a.mp4", sound="aac")
    faults = ((KeyboardInterrupt(), KeyboardInterrupt), (av.error.ArgumentError(22, "broken"), UserError))
    for fault, seen in faults:
        with Video.open(source) as video, pytest.raises(seen), VideoWriter(tmp_path / "out.mp4", video):
            raise fault
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
