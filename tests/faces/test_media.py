"""Pictures and videos: what is read is upright, in order and timed; what cannot be read is one sentence."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from swaplab.errors import UserError
from swaplab.faces.media import Video, expand_inputs, kind_of, read_picture
from swaplab.randomness import generator_at

WriteVideo = Callable[..., Path]


def smooth(height: int = 48, width: int = 64) -> Any:
    """A picture of which no two corners are alike."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([255 * x, 255 * y, 128 * (1 - x) * y + 40], -1).astype(np.uint8)


def flat(value: int) -> Any:
    return np.full((48, 64, 3), value, np.uint8)


def test_the_kind_is_seen_in_the_content(tmp_path: Path, write_video: WriteVideo) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    assert kind_of(tmp_path / "a.mp4") == "picture"
    film = write_video(tmp_path / "film.mkv", [flat(9)] * 3)
    film.rename(tmp_path / "film.jpg")
    assert kind_of(tmp_path / "film.jpg") == "video"
    pages = [Image.fromarray(flat(value)) for value in (0, 99)]
    pages[0].save(tmp_path / "still.gif")
    pages[0].save(tmp_path / "moving.gif", save_all=True, append_images=pages[1:])
    assert kind_of(tmp_path / "still.gif") == "picture"
    assert kind_of(tmp_path / "moving.gif") == "video"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path: Path, orientation: int) -> None:
    # What a camera stores, by the EXIF standard's table of orientations, for one upright scene.
    scene = smooth()
    stored = {
        1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1], 5: scene.swapaxes(0, 1),
        6: np.rot90(scene), 7: scene.swapaxes(0, 1)[::-1, ::-1], 8: np.rot90(scene, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), scene)


def test_every_mode_becomes_rgb(tmp_path: Path) -> None:
    scene = smooth()
    grey = scene[..., 0]
    alpha = np.dstack([scene, np.arange(64, dtype=np.uint8)[None].repeat(48, 0)])
    levels = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    files = {
        "grey": (Image.fromarray(grey), np.dstack([grey] * 3)),
        "grey alpha": (Image.fromarray(np.dstack([grey, alpha[..., 3]])), np.dstack([grey] * 3)),
        "rgba": (Image.fromarray(alpha), scene),
        "sixteen": (Image.fromarray(levels), np.dstack([(levels / 257).round().astype(np.uint8)] * 3)),
        "bits": (Image.fromarray(grey).convert("1"), None),
    }
    for name, (image, expected) in files.items():
        image.save(tmp_path / f"{name}.png")
        found = read_picture(tmp_path / f"{name}.png")
        assert (found.dtype, found.shape) == (np.uint8, (48, 64, 3))
        if expected is not None:
            np.testing.assert_array_equal(found, expected, err_msg=name)
    Image.fromarray(scene).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert np.abs(read_picture(tmp_path / "palette.png").astype(int) - scene).mean() < 8
    Image.fromarray(scene).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert np.abs(read_picture(tmp_path / "cmyk.jpg").astype(int) - scene).mean() < 8


def bad_files(folder: Path, write_video: WriteVideo) -> dict[str, str]:
    """Files that cannot be read, and what is said of each."""
    noise = generator_at(0, "junk").integers(0, 256, 4000, dtype=np.uint8)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "junk.mp4").write_bytes(noise.tobytes())
    (folder / "text.png").write_text("no picture\n" * 40)
    (folder / "folder").mkdir()
    stored = io.BytesIO()
    Image.fromarray(np.resize(noise, (48, 64, 3))).save(stored, "png")
    (folder / "cut short.png").write_bytes(stored.getvalue()[:3000])
    write_video(folder / "zero frames.avi", [], codec="mpeg4")
    write_video(folder / "zero frames.mov", [], codec="mjpeg", pixels="yuvj420p")
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return {
        "gone.mp4": "does not exist; check the path",
        "empty.mp4": "is empty (0 bytes)",
        "junk.mp4": "is neither a picture nor a video",
        "text.png": "is neither a picture nor a video",
        "sound.mp4": "is neither a picture nor a video",
        "folder": "is a folder, but a picture or video is needed",
        "cut short.png": "is damaged (image file is truncated",
        "zero frames.avi": "has no frame that can be decoded",
        "zero frames.mov": "is neither a picture nor a video",
    }


def read(path: Path) -> None:
    if kind_of(path) == "picture":
        read_picture(path)
    else:
        with Video.open(path):
            pass


def test_what_cannot_be_read_is_one_sentence_that_names_it(tmp_path: Path, write_video: WriteVideo) -> None:
    for name, sentence in bad_files(tmp_path, write_video).items():
        with pytest.raises(UserError) as error:
            read(tmp_path / name)
        assert sentence in str(error.value)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="not a readable video"), Video.open(tmp_path / "junk.mp4"):
        pass
    with pytest.raises(UserError, match="only sound"), Video.open(tmp_path / "sound.mp4"):
        pass
    with pytest.raises(UserError, match="not a readable picture"):
        read_picture(tmp_path / "junk.mp4")


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.png")

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"a\.png cannot be read \(Permission denied\); check its permissions"):
        kind_of(tmp_path / "a.png")


def test_frames_come_in_order_with_their_times(tmp_path: Path, write_video: WriteVideo) -> None:
    # Not one step is as long as another.
    pts = [0, 40, 100, 130, 200, 205, 300]
    film = write_video(tmp_path / "a.mkv", [flat(20 + 30 * i) for i in range(7)], pts=[500 + t for t in pts])
    with Video.open(film) as video:
        frames = list(video.frames())
        assert (video.width, video.height, video.has_audio, video.damage) == (64, 48, False, None)
    assert [frame.index for frame in frames] == list(range(7))
    np.testing.assert_allclose([frame.time for frame in frames], np.array(pts) / 1000, atol=1e-9)
    assert np.diff([frame.pts or 0 for frame in frames]).tolist() == np.diff(pts).tolist()
    np.testing.assert_allclose([f.image.mean() for f in frames], [20 + 30 * i for i in range(7)], atol=2)
    with Video.open(film) as video:
        assert [(f.index, f.time) for f in video.frames(every=3)] == [(f.index, f.time) for f in frames[::3]]
        with pytest.raises(ValueError, match="read only once"):
            next(video.frames())


def test_one_frame_is_a_video(tmp_path: Path, write_video: WriteVideo) -> None:
    with Video.open(write_video(tmp_path / "a.mp4", [smooth()])) as video:
        assert [frame.index for frame in video.frames()] == [0]


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_videos_stand_upright(tmp_path: Path, write_video: WriteVideo, rotation: int) -> None:
    # A player turns the stored frame counterclockwise by the display matrix.
    scene = smooth()
    stored = np.rot90(scene, -rotation // 90)
    with Video.open(write_video(tmp_path / "a.mp4", [stored] * 2, rotation=rotation)) as video:
        frames = list(video.frames())
        assert (video.width, video.height, video.rotation) == (64, 48, rotation % 360)
    for frame in frames:
        assert frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - scene).mean() < 3


def test_what_is_left_of_a_damaged_video_is_kept_and_the_damage_told(tmp_path: Path, write_video: WriteVideo) -> None:
    noise = [generator_at(0, "frame", i).integers(0, 256, (48, 64, 3), dtype=np.uint8) for i in range(20)]
    whole = write_video(tmp_path / "a.mov", noise, codec="mjpeg", pixels="yuvj420p", movflags="faststart").read_bytes()
    short = tmp_path / "short.mov"
    short.write_bytes(whole[: len(whole) * 6 // 10])
    with Video.open(short) as video:
        frames = list(video.frames())
        assert 8 <= len(frames) <= 14
        assert video.damage is not None
        assert "of 20 declared frames could be decoded" in video.damage or "cannot be" in video.damage
    with Video.open(tmp_path / "a.mov") as video:
        assert len(list(video.frames())) == 20
        assert video.damage is None


def cut(source: Path, output: Path, begin: float, drop: bool) -> Path:
    """``source`` from ``begin`` on, without decoding: earlier packets are hidden by an edit list, or dropped."""
    with av.open(str(source)) as container, av.open(str(output), "w") as written:
        stream = container.streams.video[0]
        copied = written.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.dts is None or packet.pts is None or (drop and packet.pts * packet.time_base < begin):
                continue
            shift = round(begin / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copied
            written.mux(packet)
    return output


def test_a_clip_that_was_cut_without_decoding_is_not_damaged(tmp_path: Path, write_video: WriteVideo) -> None:
    levels = [20 + 10 * i for i in range(20)]
    whole = write_video(tmp_path / "whole.mkv", [flat(level) for level in levels], gop=10)
    with Video.open(cut(whole, tmp_path / "hidden.mp4", 0.24, drop=False)) as video:
        assert video.frame_count == 14
        np.testing.assert_allclose([f.image.mean() for f in video.frames()], levels[6:], atol=2)
        assert (video.damage, video.notes) == (None, [])
    with Video.open(cut(whole, tmp_path / "headless.ts", 0.24, drop=True)) as video:
        np.testing.assert_allclose([f.image.mean() for f in video.frames()], levels[10:], atol=2)
        assert video.damage is None
        assert video.notes == ["4 frame(s) before the first key frame cannot be decoded and were skipped"]


def test_a_folder_names_what_cannot_be_read_and_keeps_the_rest(tmp_path: Path, write_video: WriteVideo) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.jpg").touch()
    write_video(tmp_path / "d.avi", [], codec="mpeg4")
    files, unreadable = expand_inputs(str(tmp_path))
    assert files == [tmp_path / "a.png"]
    for sentence, expected in zip(unreadable, ("b.png is neither", "c.jpg is empty", "d.avi has no"), strict=True):
        assert expected in sentence
    with pytest.raises(UserError, match=r"b.png is neither"):
        expand_inputs(f"{tmp_path / 'a.png'},{tmp_path / 'b.png'}")
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError, match=r"b.png is neither .* \(and 2 more cannot be read\)"):
        expand_inputs(str(tmp_path))


def test_a_bad_packet_does_not_end_a_video(tmp_path: Path, write_video: WriteVideo) -> None:
    path = write_video(tmp_path / "a.mov", [smooth()] * 20, codec="png", pixels="rgb24")
    stored = bytearray(path.read_bytes())
    starts = [i for i in range(len(stored)) if stored[i : i + 4] == b"\x89PNG"]
    assert len(starts) == 20
    stored[starts[7] : starts[7] + 40] = bytes(40)
    path.write_bytes(stored)
    with Video.open(path) as video:
        assert len(list(video.frames())) == 19
        assert video.damage == "1 packet(s) cannot be decoded: Invalid data found when processing input"


def test_inputs_are_files_folders_and_names_with_commas(tmp_path: Path) -> None:
    odd = tmp_path / "Über, (die) Brücke=1"
    odd.mkdir()
    for name in ("b.png", "a, b.png", "c.PNG", ".hidden.png", "notes.txt"):
        Image.fromarray(smooth()).save(odd / name, "png")
    (odd / "deeper").mkdir()
    Image.fromarray(smooth()).save(tmp_path / "a", "png")
    inside = [odd / "a, b.png", odd / "b.png", odd / "c.PNG"]
    assert expand_inputs(str(odd)) == (inside, [])
    assert expand_inputs(f"{odd / 'a, b.png'},{tmp_path / 'a'}, {odd}")[0] == [inside[0], tmp_path / "a", *inside[1:]]
    with pytest.raises(UserError, match=r"gone does not exist"):
        expand_inputs(f"{odd},{tmp_path / 'gone'}")
    with pytest.raises(UserError, match=r"has no picture or video \(subfolders are not searched\)"):
        expand_inputs(str(odd / "deeper"))
    with pytest.raises(UserError, match="a is a picture; give a video"):
        expand_inputs(str(tmp_path / "a"), ["video"])
    with pytest.raises(UserError, match="names no video"):
        expand_inputs(str(odd), ["video"])
    with pytest.raises(UserError, match="names no picture or video"):
        expand_inputs(" , ")
