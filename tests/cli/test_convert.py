"""swaplab convert from end to end on invented people, and what it says to every kind of bad input."""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from swaplab.cli.main import main
from swaplab.synthetic.people import person
from swaplab.synthetic.rendering import render
from swaplab.synthetic.states import FrameState

Command = Callable[..., tuple[int, str, str]]
SIZE = 192
TINY = (
    "generator.width=0.07",
    "generator.latent=16",
    "batch_size=4",
    "workers=0",
    "budget.images=16",
    "every.report=16",
    "every.validate=16",
    "every.sample=16",
    "every.checkpoint=16",
    "trainer.progress=false",
    "trainer.threads=1",
    "logger=none",
)


@pytest.fixture(scope="module")
def run(facesets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose facesets are gone."""
    folder = tmp_path_factory.mktemp("trained")
    words = [f"runs={folder}", "run_id=first", "data=facesets", *TINY]
    for name in "AB":
        shutil.copytree(facesets[name], folder / name)
        words.append(f"data.identities.{name}={folder / name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWAPLAB_PACKAGES", "")
        patch.setattr(sys, "argv", ["swaplab", "train", *words])
        with pytest.raises(SystemExit, match="0"):
            main()
    for name in "AB":
        shutil.rmtree(folder / name)
    return next(folder.glob("*/first"))


@pytest.fixture(scope="module")
def face() -> np.ndarray:  # type: ignore[type-arg]
    return render(person("A"), FrameState(), SIZE).image


@pytest.fixture(autouse=True)
def _own_key(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("SWAPLAB_SIGNING", str(tmp_path_factory.mktemp("signing")))


def film(path: Path, frames: list[Any], sound: bool = False, rotation: int = 0) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "12"})
        video.height, video.width = frames[0].shape[:2]
        if rotation:
            video.set_display_rotation(rotation)
        audio = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            for index in range(8):
                samples = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.01, np.float32), "fltp", "mono")
                samples.sample_rate, samples.pts = 44100, 1024 * index
                container.mux(audio.encode(samples))
            container.mux(audio.encode())
    return path


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.dts is not None]


def decoded(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def refused(command: Command, folder: Path, *words: Any) -> str:
    """The sentence of a command that must refuse and leave ``folder`` as it was."""
    before = contents(folder)
    code, _, complaint = command("convert", *words)
    assert code == 2, complaint
    assert complaint.startswith("swaplab convert: ")
    assert complaint.count("\n") == 1
    assert contents(folder) == before
    return complaint


def test_a_video_is_converted_marked_and_counted(command: Command, run: Path, face: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my clips, für (1)=a"
    folder.mkdir()
    nobody = np.full_like(face, 90)
    source = film(folder / "clip é.mp4", [face, face, nobody, face, face], sound=True)
    original = source.read_bytes()
    output = folder / "out ü.mov"
    code, said, complaint = command("convert", f"run={run}", f"input={source}", f"output={output}")
    assert code == 0, complaint
    assert "frames: 5 in, 5 out, 1 without a swapped face" in said
    assert "faces: 4 swapped" in said
    assert "seconds: " in said
    assert "find faces" in said
    assert f"converted: {output}; sidecar: {output}.json" in said
    assert source.read_bytes() == original
    assert sound_of(output) == sound_of(source)
    before, after = decoded(source), decoded(output)
    assert len(after) == 5
    middle = slice(SIZE // 3, SIZE * 2 // 3)
    changes = [
        np.abs(a[middle, middle].astype(int) - b[middle, middle]).mean() for a, b in zip(before, after, strict=True)
    ]
    assert min(changes[i] for i in (0, 1, 3, 4)) > 5 > changes[2]
    claim = json.loads(Path(f"{output}.json").read_text())["claim"]
    assert (claim["kind"], claim["run"], claim["frames"], claim["faces_swapped"]) == ("video", "first", 5, 4)
    assert sorted(p.name for p in folder.iterdir()) == ["clip é.mp4", "out ü.mov", "out ü.mov.json"]
    assert command("verify", output)[0] == 0

    said = refused(command, folder, f"run={run}", f"input={source}", f"output={output}")
    assert "already exists" in said
    words = [f"run={run}", f"input={source}", f"output={output}", "overwrite=true", "source=B", "target=A"]
    assert command("convert", *words)[0] == 0


def test_a_turned_video_comes_out_upright(command: Command, run: Path, face: Any, tmp_path: Path) -> None:
    wide = np.pad(face, ((0, 0), (0, 32), (0, 0)), "edge")
    source = film(tmp_path / "turned.mp4", [np.rot90(wide, 1)] * 3, rotation=-90)
    output = tmp_path / "out.mp4"
    code, said, complaint = command("convert", f"run={run}", f"input={source}", f"output={output}")
    assert code == 0, complaint
    assert "faces: 3 swapped" in said
    assert decoded(output)[0].shape == wide.shape


def test_pictures_and_every_option(command: Command, run: Path, face: Any, tmp_path: Path) -> None:
    source = tmp_path / "two.png"
    Image.fromarray(np.concatenate([face, face], 1)).convert("RGBA").save(source)
    for i, words in enumerate(
        (
            ["faces=all", "colour=none", "alpha=hull", "feather=0.2", "threads=1", "detector.min_face=30"],
            ["weights=best", "disclosure_elsewhere=said aloud, at 0:00 (twice)"],
            ["label=Made by AI", "faces=largest"],
        )
    ):
        output = tmp_path / f"out{i}.{'png' if i else 'jpg'}"
        code, said, complaint = command("convert", f"run={run}", f"input={source}", f"output={output}", *words)
        assert code == 0, complaint
        assert f"faces: {1 if i else 2} swapped" in said
        assert ("1 other faces not swapped" in said) == bool(i)
        assert ("does not support transparency" in said) == (i == 0)
        assert command("verify", output)[0] == 0
    claim = json.loads((tmp_path / "out1.png.json").read_text())["claim"]
    assert claim["label"] is None
    assert claim["disclosure_elsewhere"] == "said aloud, at 0:00 (twice)"


def test_bad_inputs(command: Command, run: Path, face: Any, tmp_path: Path) -> None:
    photo, clip = tmp_path / "face.png", film(tmp_path / "clip.mp4", [face])
    Image.fromarray(face).save(photo)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "junk.png").write_bytes(bytes(range(256)) * 9)
    with av.open(str(tmp_path / "none.mp4"), "w") as container:
        container.add_stream("libx264", rate=25)
        container.start_encoding()
    Image.fromarray(np.full((99, 99, 3), 99, np.uint8)).save(tmp_path / "nobody.png")
    film(tmp_path / "nobody.mp4", [np.full_like(face, 99)] * 4)
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(photo.read_bytes()[:2000])
    for name, output, parts in (
        ("gone.mp4", "out.mp4", ["gone.mp4 does not exist"]),
        ("empty.mp4", "out.mp4", ["empty.mp4 is empty"]),
        ("junk.png", "out.png", ["junk.png is neither a picture nor a video"]),
        ("none.mp4", "out.mp4", ["none.mp4"]),
        ("truncated.png", "out.png", ["truncated.png is damaged"]),
        ("nobody.png", "out.png", ["nobody.png: no face was found in it"]),
        ("nobody.mp4", "out.mp4", ["no face was found in any of its 4 frames"]),
        ("face.png", "face.png", ["is the original, which is never changed"]),
        ("face.png", "out.mp4", ["face.png is a picture", ".png, .jpg, .jpeg"]),
        ("clip.mp4", "out.png", ["clip.mp4 is a video", ".mp4, .mov"]),
        ("clip.mp4", "out.mkv", ["Matroska", ".mp4"]),
        ("clip.mp4", "gone/out.mp4", ["gone does not exist"]),
        (".", "out.mp4", ["is a folder"]),
    ):
        words = (f"run={run}", f"input={tmp_path / name}", f"output={tmp_path / output}", "overwrite=true")
        said = refused(command, tmp_path, *words)
        for part in parts:
            assert part in said, said
    assert clip.exists()
    assert not list(tmp_path.glob("out*"))


def test_bad_settings_and_runs(
    command: Command, run: Path, face: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "face.png"
    Image.fromarray(face).save(photo)
    words = (f"input={photo}", f"output={tmp_path / 'out.png'}")
    for word, part in (
        ("target=Z", "target=Z is not an identity of this run; choose from A, B"),
        ("weights=last", "weights=last must be final or best"),
        ("faces=some", "faces=some must be largest or all"),
        ("feather=2", "feather=2 must be a number from 0 to 0.5"),
        ("disclosure_elsewhere=", 'disclosure_elsewhere="" must be a non-empty string or null'),
        ("colours=none", "colours"),
        ("device=cuda:99", "device=cuda:99 is not there"),
    ):
        assert part in refused(command, tmp_path, f"run={run}", *words, word)
    nowhere = f"runs={tmp_path / 'none'}"
    assert "is not a run folder" in refused(command, tmp_path, f"run={tmp_path}", nowhere, *words)
    other = shutil.copytree(run, tmp_path / "other")
    shutil.rmtree(other / "checkpoints")
    assert "do not exist; train the run to its end first" in refused(command, tmp_path, f"run={other}", *words)
    facts = json.loads((other / "run.json").read_text())
    del facts["faces"]
    (other / "run.json").write_text(json.dumps(facts))
    assert "train it again with this version" in refused(command, tmp_path, f"run={other}", *words)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "read-only" in refused(command, tmp_path, f"run={run}", *words)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_signal_leaves_no_output(
    number: signal.Signals, process: Callable[..., Any], command: Command, run: Path, face: Any, tmp_path: Path
) -> None:
    source, output = film(tmp_path / "long.mp4", [face] * 400), tmp_path / "out.mp4"
    running = process("convert", f"run={run}", f"input={source}", f"output={output}")
    running.until(lambda: list(tmp_path.glob(".swaplab-*/unsigned.mp4")))
    running.kill(number)
    running.wait()
    left = [path.name for path in tmp_path.iterdir() if path != source]
    assert [name[:9] for name in left] == ([".swaplab-"] if number == signal.SIGKILL else [])
    if number != signal.SIGKILL:
        assert running.err.endswith("; no output was written\n")
        return
    Image.fromarray(face).save(tmp_path / "face.png")
    code, _, complaint = command(
        "convert", f"run={run}", f"input={tmp_path / 'face.png'}", f"output={tmp_path / 'o.png'}"
    )
    assert code == 0, complaint
    assert {path.name for path in tmp_path.iterdir()} == {"long.mp4", "face.png", "o.png", "o.png.json"}


def test_what_is_signed_is_what_was_read(
    command: Command, run: Path, face: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that still trains replaces its files during a conversion."""
    from swaplab.conversion.swapper import FaceSwapper

    still = tmp_path / "still"
    shutil.copytree(run, still)
    files = {"config_sha256": still / "config.yaml", "weights_sha256": still / "checkpoints/final.safetensors"}
    read = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    swapped = FaceSwapper.__call__

    def replaced(*of: Any) -> Any:
        for file in files.values():
            file.write_bytes(b"newer")
        return swapped(*of)

    monkeypatch.setattr(FaceSwapper, "__call__", replaced)
    Image.fromarray(face).save(tmp_path / "face.png")
    code, _, complaint = command(
        "convert", f"run={still}", f"input={tmp_path / 'face.png'}", f"output={tmp_path / 'out.png'}"
    )
    assert code == 0, complaint
    claim = json.loads((tmp_path / "out.png.json").read_text())["claim"]
    assert {name: claim[name] for name in files} == read
    assert files["weights_sha256"].read_bytes() == b"newer"
