"""A converted file has all of its marks, or is not there; the original and older outputs are never harmed."""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest
from PIL import Image

from swaplab.errors import UserError
from swaplab.marking import credentials
from swaplab.marking.claim import Claim
from swaplab.marking.credentials import Credentials
from swaplab.marking.label import Label
from swaplab.marking.signer import signing_key
from swaplab.marking.verify import verify
from swaplab.marking.writer import SUFFIXES, check_output, write_marked

ClaimOf = Callable[..., Claim]


def contents(folder: Path) -> dict[str, str]:
    """Everything in a folder, hidden files too, by its hash."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "folder"
        for p in folder.rglob("*")
    }


def streams(path: Path) -> list[bytes]:
    """Decoded pictures and undecoded sound packets, with their times."""
    with av.open(str(path)) as container:
        pictures = [(f.pts, f.to_ndarray(format="rgb24").tobytes()) for f in container.decode(video=0)]
        container.seek(0)
        sound = [(p.pts, bytes(p)) for p in container.demux(audio=0) if p.size]
    return [str(pts).encode() + data for pts, data in pictures + sound]


@pytest.mark.parametrize("suffix", [*sorted(SUFFIXES), ".PNG", ".Mp4"])
def test_every_format_carries_every_mark(suffix: str, marked: Callable[[str], Path]) -> None:
    output = marked(suffix)
    verification = verify(output)
    assert [(mark.name, mark.state) for mark in verification.marks] == [
        ("content credentials", "intact"),
        ("visible label", "intact"),
        ("sidecar", "intact"),
    ]
    assert verification.intact
    assert sorted(p.name for p in output.parent.iterdir()) == [output.name, f"{output.name}.json"]
    # readable by whom the user's mask says, unlike the key
    mask = os.umask(0)
    os.umask(mask)
    assert output.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".png"])
def test_signing_changes_no_pixel_no_sound_and_no_time(
    suffix: str, tmp_path: Path, media: Callable[..., None], marked: Callable[[str], Path]
) -> None:
    output, unsigned = marked(suffix), tmp_path / f"unsigned{suffix}"
    media(unsigned, Label())
    if suffix == ".png":
        np.testing.assert_array_equal(np.asarray(Image.open(output)), np.asarray(Image.open(unsigned)))
    else:
        assert streams(output) == streams(unsigned)


def test_a_reason_takes_the_place_of_the_label(tmp_path: Path, media: Callable[..., None], claim: ClaimOf) -> None:
    original, output = tmp_path / "original.png", tmp_path / "output.png"
    media(original, None)
    write_marked(output, original, claim(".png", None, "said in the credits"), lambda path: media(path, None))
    verification = verify(output)
    assert verification.intact
    assert [mark.state for mark in verification.marks] == ["intact", "left off", "intact"]
    assert "said in the credits" in verification.marks[1].found


def test_the_claim_is_asked_for_after_the_media_is_made(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf
) -> None:
    original, output, order = tmp_path / "original.png", tmp_path / "output.png", []
    media(original, None)

    def produce(path: Path) -> None:
        order.append("media")
        media(path, Label())

    def late() -> Claim:
        order.append("claim")
        return claim(".png")

    write_marked(output, original, late, produce)
    assert order == ["media", "claim"]


def test_a_trial_is_marked_and_checked_before_the_work(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf
) -> None:
    original, output, order = tmp_path / "original.mp4", tmp_path / "output.mp4", []
    media(original, None)

    def making(name: str, label: Label | None) -> Callable[[Path], None]:
        def make(path: Path) -> None:
            order.append(name)
            media(path, label)

        return make

    signing_key()
    before = contents(tmp_path)
    with pytest.raises(UserError, match="visible label missing"):
        write_marked(output, original, claim(".mp4"), making("work", Label()), trial=making("trial", None))
    assert contents(tmp_path) == before
    write_marked(output, original, claim(".mp4"), making("work", Label()), trial=making("trial", Label()))
    assert order == ["trial", "trial", "work"]
    assert verify(output).intact
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "original.mp4", "output.mp4", "output.mp4.json",
    }  # fmt: skip


def raises(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


FULL = OSError(28, "No space left on device")
BROKEN = c2pa.C2paError("Signature: broken")


@pytest.fixture
def conversion(tmp_path: Path, media: Callable[..., None], claim: ClaimOf) -> Callable[..., Path]:
    """Converts original.mp4 to out/converted.mp4; keywords replace arguments of `write_marked`."""
    (tmp_path / "out").mkdir()
    media(tmp_path / "original.mp4", None)
    signing_key()
    usual = {
        "output": tmp_path / "out" / "converted.mp4",
        "original": tmp_path / "original.mp4",
        "claim": claim(".mp4"),
        "produce": lambda path: media(path, Label()),
        "overwrite": True,
    }
    return lambda **other: write_marked(**(usual | other))


@pytest.fixture(params=["nothing there", "an older output"])
def older(request: pytest.FixtureRequest, conversion: Callable[..., Path], tmp_path: Path) -> bool:
    """Whether an output and its sidecar were there before."""
    there = bool(request.param == "an older output")
    if there:
        (tmp_path / "out" / "converted.mp4").write_text("an older video")
        (tmp_path / "out" / "converted.mp4.json").write_text("its sidecar")
    return there


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ("c2pa.Signer.from_info", BROKEN, "Signature: broken"),
        ("c2pa.Builder.add_ingredient", BROKEN, "Signature: broken"),
        ("c2pa.Builder.sign", BROKEN, "Signature: broken"),
        ("c2pa.Builder.sign", FULL, "No space left"),
        ("c2pa.Builder.sign", KeyboardInterrupt(), None),
        ("swaplab.marking.writer.verify", UserError("cannot be read back"), "cannot be read back"),
        ("swaplab.marking.writer.sidecar_text", FULL, "No space left"),
        ("swaplab.marking.writer.sidecar_text", KeyboardInterrupt(), None),
        ("tempfile.mkdtemp", FULL, "No space left"),
    ],
)
def test_a_fault_leaves_everything_as_it_was(
    where: str,
    error: BaseException,
    says: str | None,
    older: bool,
    conversion: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(where, raises(error))
        with pytest.raises(UserError if says else KeyboardInterrupt, match=says):
            conversion()
    assert contents(tmp_path) == before
    conversion()
    assert verify(tmp_path / "out" / "converted.mp4").intact


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_fault_at_any_rename_undoes_the_others(
    error: BaseException,
    older: bool,
    conversion: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, real = contents(tmp_path), os.replace
    for failing in range(4 if older else 2):
        calls = iter(range(100))

        def rename(old: Any, new: Any, calls: Iterator[int] = calls, failing: int = failing) -> None:
            if next(calls) == failing:
                raise error
            real(old, new)

        with monkeypatch.context() as patch:
            patch.setattr("os.replace", rename)
            with pytest.raises(UserError if isinstance(error, OSError) else type(error)):
                conversion()
        assert contents(tmp_path) == before


@pytest.mark.parametrize("error", [UserError("no face"), RuntimeError("a bug"), KeyboardInterrupt("stop")])
def test_a_fault_in_making_the_media_passes_through(
    error: BaseException, older: bool, conversion: Callable[..., Path], tmp_path: Path
) -> None:
    def produce(path: Path) -> None:
        path.write_text("half a video")
        raise error

    before = contents(tmp_path)
    with pytest.raises(type(error), match=str(error)):
        conversion(produce=produce)
    with pytest.raises(type(error), match=str(error)):
        conversion(claim=raises(error))
    assert contents(tmp_path) == before


def test_a_mark_that_is_not_in_the_file_means_no_file(
    conversion: Callable[..., Path], media: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(tmp_path)
    with pytest.raises(UserError, match="visible label missing: 'AI-altered' is not in its place"):
        conversion(produce=lambda path: media(path, None))
    with pytest.raises(UserError, match="content credentials could not be written"):
        conversion(produce=lambda path: path.write_text("no video at all"))
    with pytest.raises(UserError, match="content credentials could not be written"):
        conversion(produce=lambda path: None)
    found = Credentials("invalid", ("assertion.bmffHash.mismatch",), "urn:c2pa:0")
    with monkeypatch.context() as patch:
        patch.setattr("swaplab.marking.credentials.read", lambda path: found)
        with pytest.raises(UserError, match=r"content credentials broken.*bmffHash"):
            conversion()
    read = credentials.read
    with monkeypatch.context() as patch:
        patch.setattr("swaplab.marking.credentials.read", lambda path: replace(read(path), claim={"frames": 1}))
        with pytest.raises(UserError, match="differ from those written"):
            conversion()
    assert contents(tmp_path) == before


def test_without_the_library_or_a_usable_key_no_work_is_begun(
    conversion: Callable[..., Path], tmp_path: Path, signing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "c2pa", None)
        with pytest.raises(UserError, match="library cannot be loaded"):
            conversion(produce=raises(AssertionError("began")))
    monkeypatch.setenv("SWAPLAB_SIGNING", str(tmp_path / "original.mp4"))
    with pytest.raises(UserError, match="signing key in"):
        conversion(produce=raises(AssertionError("began")))
    assert contents(tmp_path) == before


def test_an_original_with_unreadable_credentials_is_refused_before_any_work(
    conversion: Callable[..., Path], marked: Callable[[str], Path], tmp_path: Path
) -> None:
    original = marked(".png")
    original.write_bytes(original.read_bytes().replace(b"jumb", b"jumc", 1))
    before = contents(tmp_path)
    with pytest.raises(UserError, match="use an undamaged copy"):
        conversion(original=original, produce=raises(AssertionError("began")))
    assert contents(tmp_path) == before


def test_an_output_that_appears_meanwhile_is_kept(
    conversion: Callable[..., Path], media: Callable[..., None], tmp_path: Path
) -> None:
    def produce(path: Path) -> None:
        media(path, Label())
        (tmp_path / "out" / "converted.mp4").write_text("somebody else's")

    with pytest.raises(UserError, match="already exists"):
        conversion(produce=produce, overwrite=False)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["converted.mp4"]
    assert (tmp_path / "out" / "converted.mp4").read_text() == "somebody else's"


def test_a_picture_is_no_video(conversion: Callable[..., Path], claim: ClaimOf) -> None:
    with pytest.raises(ValueError, match="the claim is about a picture"):
        conversion(claim=claim(".png"))


def test_outputs_that_must_not_be_written_are_refused(tmp_path: Path) -> None:
    source, other = tmp_path / "Äther, 1.mp4", tmp_path / "other.mp4"
    source.write_text("original")
    check_output(tmp_path / "out.mp4", source)
    (tmp_path / "link.mp4").symlink_to(source)
    (tmp_path / "hard.mp4").hardlink_to(source)
    other.write_text("other")
    (tmp_path / "side.png.json").write_text("{}")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.mp4").mkdir()
    refusals = {
        "out.mkv": "cannot carry content credentials",
        "out.webm": "cannot carry content credentials",
        "out.MKV": "cannot carry content credentials",
        "out.gif": "'.gif' files cannot be written and marked; use one of .mp4, .mov, .png, .jpg, .jpeg",
        "out": "'' files cannot be written",
        "missing/out.mp4": "missing does not exist; create it first",
        "folder.mp4": "is a folder",
        source.name: "is the original, which is never changed",
        "link.mp4": "is the original, which is never changed",
        "hard.mp4": "is the original, which is never changed",
        f"{'x' * 248}.mp4": "choose a shorter one",
    }
    before = contents(tmp_path)
    for overwrite in (False, True):
        for name, says in refusals.items():
            with pytest.raises(UserError, match=re.escape(says)):
                check_output(tmp_path / name, source, overwrite)
    for name in ("other.mp4", "side.png", "dangling.mp4"):
        with pytest.raises(UserError, match="already exists; choose another output or set overwrite=true"):
            check_output(tmp_path / name, source)
        check_output(tmp_path / name, source, overwrite=True)
    assert contents(tmp_path) == before


def test_what_is_read_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = tmp_path / "source.mp4", tmp_path / "output.mp4"
    source.write_text("original")
    output.write_text("older")
    # asked for through the function, since an administrator's rights hide a file's mode
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != output)
    with pytest.raises(UserError, match="is read-only or a folder"):
        check_output(output, source, overwrite=True)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(UserError, match=rf"folder {re.escape(str(tmp_path))} is read-only"):
        check_output(output, source, overwrite=True)
