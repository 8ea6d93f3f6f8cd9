"""Whatever byte is changed, wherever: it is reported; and the report says no more than is known."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from swaplab.errors import UserError
from swaplab.marking import credentials
from swaplab.marking.credentials import Credentials
from swaplab.marking.label import Label
from swaplab.marking.sidecar import sidecar_of
from swaplab.marking.signer import signing_key
from swaplab.marking.verify import Verification, verify
from swaplab.marking.writer import SUFFIXES

Marked = Callable[[str], Path]


def states(verification: Verification) -> tuple[str, ...]:
    return tuple(mark.state for mark in verification.marks)


def flipped(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def in_media(content: bytes, suffix: str) -> int:
    """A place in the picture's or the video's own data."""
    marker = {".png": b"IDAT", ".mp4": b"mdat", ".mov": b"mdat"}.get(suffix, b"\xff\xda")
    return content.rindex(marker) + len(marker) + 200


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_one_changed_byte_is_reported(suffix: str, marked: Marked) -> None:
    output = marked(suffix)
    whole, sidecar = output.read_bytes(), sidecar_of(output).read_bytes()
    for place in (in_media(whole, suffix), whole.index(b"compositeWith"), whole.index(b"faces_swapped")):
        flipped(output, place)
        verification = verify(output)
        assert not verification.intact
        assert verification.marks[0].state == verification.marks[2].state == "broken"
        assert "proves" not in verification.marks[0].proves
        output.write_bytes(whole)
    for place in (0, len(sidecar) // 2, len(sidecar) - 1):
        flipped(sidecar_of(output), place)
        assert states(verify(output)) == ("intact", "intact", "broken")
        sidecar_of(output).write_bytes(sidecar)
    assert verify(output).intact


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".mp4", ".mov"])
def test_every_byte_counts(suffix: str, marked: Marked) -> None:
    """Headers, padding and certificates too: places all over the file, and many in its first kilobytes."""
    output = marked(suffix)
    whole = output.read_bytes()
    places = {*range(0, 5000, 41), *range(0, len(whole), len(whole) // 60), len(whole) - 1}
    for place in sorted(places):
        output.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert not verify(output).intact, place
        except UserError as error:
            assert "not a readable picture or video" in str(error)  # noqa: PT017
    for damaged in (whole[:-1], whole + b"\0", whole[: len(whole) // 2]):
        output.write_bytes(damaged)
        assert not verify(output).intact


def test_a_file_written_anew_keeps_only_its_label(marked: Marked) -> None:
    output = marked(".png")
    again = output.with_name("again.jpg")
    Image.open(output).save(again, quality=60)
    verification = verify(again)
    assert states(verification) == ("missing", "intact", "missing")
    assert not verification.intact
    # somebody else's sidecar does not help
    sidecar_of(again).write_bytes(sidecar_of(output).read_bytes())
    assert states(verify(again)) == ("missing", "intact", "broken")


def test_a_video_written_anew_keeps_only_its_label(marked: Marked) -> None:
    output = marked(".mp4")
    again = output.with_name("again.mkv")
    with av.open(str(output)) as read, av.open(str(again), "w") as written:
        size = read.streams.video[0]
        stream = written.add_stream("libx264", rate=25, width=size.width, height=size.height, options={"crf": "32"})
        for frame in read.decode(video=0):
            written.mux(stream.encode(frame.reformat(format="yuv420p")))
        written.mux(stream.encode())
    assert states(verify(again)) == ("missing", "intact", "missing")


def test_a_picture_without_any_mark(tmp_path: Path, media: Callable[..., None]) -> None:
    path = tmp_path / "plain.png"
    media(path)
    verification = verify(path)
    assert states(verification) == ("missing", "missing", "missing")
    assert len(verification.problems) == 3
    assert not any(mark.proves for mark in verification.marks)


def test_somebody_elses_credentials_are_no_statement_of_a_swap(tmp_path: Path, media: Callable[..., None]) -> None:
    import c2pa

    path, signed = tmp_path / "plain.png", tmp_path / "signed.png"
    media(path, Label())
    key = signing_key()
    builder = c2pa.Builder({"assertions": []})
    builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE)
    with c2pa.Signer.from_info(c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None)) as signer:
        builder.sign_file(path, signed, signer)
    assert credentials.read(signed).valid
    verification = verify(signed)
    assert verification.marks[0].state == "missing"
    assert "without swaplab's statement" in verification.marks[0].found


def test_an_untrusted_signer_proves_no_origin_and_a_trusted_one_is_said_to_be(
    marked: Marked, signing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = marked(".jpg")
    mark = verify(output).marks[0]
    assert mark.found == "valid, untrusted signer 'swaplab local signer'"
    assert "not who signed it" in mark.proves
    monkeypatch.setenv("SWAPLAB_TRUST", str(signing / "root.pem"))
    mark = verify(output).marks[0]
    assert mark.found.startswith("valid, trusted signer")
    assert "a signer you trust" in mark.proves


@pytest.mark.parametrize("stated", [{"text": 5}, {"text": "x\n", "height": 0.05}, {"text": "x", "height": []}, "AI", 7])
def test_a_strangers_claim_about_the_label_is_not_believed(
    stated: object, tmp_path: Path, media: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain.png"
    media(path)
    found = Credentials("valid, untrusted signer", claim={"label": stated}, composite=True)
    monkeypatch.setattr("swaplab.marking.credentials.read", lambda path: found)
    assert verify(path).marks[1].state == "missing"


def test_the_sidecar_says_what_was_signed_and_the_hash(marked: Marked) -> None:
    output = marked(".mov")
    content = json.loads(sidecar_of(output).read_text())
    assert content["claim"] == credentials.read(output).claim
    assert content["file"]["bytes"] == output.stat().st_size
    assert len(content["file"]["sha256"]) == 64


def test_what_is_no_picture_and_no_video_is_refused(tmp_path: Path) -> None:
    for name, content in {
        "empty.mp4": b"",
        "junk.png": os.urandom(300),
        "words.jpg": b"words",
        "text.txt": b"1 2",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="is not a readable picture or video"):
            verify(tmp_path / name)
    for path in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(UserError, match="is not a file; give the path"):
            verify(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(UserError, match="is not a readable picture or video"):
        verify(tmp_path / "array.npy")
