"""Content credentials: signed, read back, tied to the original, offline; they show no picture and name nobody."""

import contextlib
import hashlib
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import c2pa
import pytest
from PIL import Image

from swaplab.errors import UserError
from swaplab.marking import credentials
from swaplab.marking.claim import Claim
from swaplab.marking.signer import signing_key
from swaplab.marking.writer import SUFFIXES

ClaimOf = Callable[..., Claim]


def sign(source: Path, destination: Path, claim: Claim, parent: Path) -> credentials.Credentials:
    credentials.sign(source, destination, claim, parent, signing_key())
    return credentials.read(destination)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_signed_and_read_back(suffix: str, tmp_path: Path, media: Callable[..., None], claim: ClaimOf) -> None:
    source = tmp_path / f"source{suffix}"
    media(source)
    found = sign(source, tmp_path / f"signed{suffix}", claim(suffix), source)
    assert found.state == "valid, untrusted signer"
    assert found.reasons == ("signingCredential.untrusted",)
    assert found.signer == "swaplab local signer"
    assert found.claim == claim(suffix).as_json()
    assert found.composite
    assert found.earlier == 0


def test_trusted_only_by_who_chooses_to(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf, signing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, signed = tmp_path / "source.png", tmp_path / "signed.png"
    media(source)
    sign(source, signed, claim(".png"), source)
    monkeypatch.setenv("SWAPLAB_TRUST", str(signing / "root.pem"))
    assert credentials.read(signed).state == "valid, trusted signer"
    signed.write_bytes(signed.read_bytes()[:-20] + bytes(20))
    assert credentials.read(signed).state == "invalid"
    monkeypatch.setenv("SWAPLAB_TRUST", str(tmp_path / "gone.pem"))
    with pytest.raises(UserError, match=r"SWAPLAB_TRUST=.*cannot be read"):
        credentials.read(signed)


def test_the_manifest_says_edited_from_an_original_by_the_standard_words(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf
) -> None:
    source, signed = tmp_path / "source.mp4", tmp_path / "signed.mp4"
    media(source)
    sign(source, signed, claim(".mp4"), source)
    manifest = c2pa.Reader(str(signed)).get_active_manifest()
    assert manifest is not None
    assertions = {item["label"]: item for item in manifest["assertions"]}
    opened, edited = assertions["c2pa.actions.v2"]["data"]["actions"]
    assert opened["action"] == "c2pa.opened"
    assert edited["action"] == "c2pa.edited"
    assert edited["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert edited["softwareAgent"]["name"] == "swaplab"
    # attributed to the signer, not merely gathered
    assert assertions["c2pa.actions.v2"]["created"]
    assert assertions[credentials.CLAIM_LABEL]["created"]
    assert [item["relationship"] for item in manifest["ingredients"]] == ["parentOf"]


@pytest.mark.parametrize("suffix", [".png", ".mp4"])
def test_no_picture_no_name_and_no_digest_of_the_original(
    suffix: str, tmp_path: Path, media: Callable[..., None], claim: ClaimOf
) -> None:
    original, source, signed = tmp_path / "Jane Doe.png", tmp_path / f"source{suffix}", tmp_path / f"signed{suffix}"
    Image.new("RGB", (640, 480), (200, 30, 90)).save(original)
    media(source)
    sign(source, signed, claim(suffix), original)
    content = signed.read_bytes()
    assert b"Jane" not in content
    assert hashlib.sha256(original.read_bytes()).digest() not in content
    assert hashlib.sha256(original.read_bytes()).hexdigest().encode() not in content
    assert b"thumbnail" not in content
    # a manifest without pictures is a few kilobytes
    assert len(content) - source.stat().st_size < 8000


def test_credentials_of_the_original_are_kept_inside(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf
) -> None:
    source, first = tmp_path / "source.png", tmp_path / "first.png"
    media(source)
    before = sign(source, first, claim(".png"), source)
    video, second = tmp_path / "source.mp4", tmp_path / "second.mp4"
    media(video)
    after = sign(video, second, claim(".mp4"), first)
    assert after.valid
    assert after.earlier == 1
    store = c2pa.Reader(str(second)).json()
    assert before.manifest is not None
    assert before.manifest in store
    # an original that was changed after its signing stays recognisable as such, and does not break the new file
    changed = bytearray(first.read_bytes())
    changed[-40] ^= 1
    first.write_bytes(changed)
    third = sign(video, tmp_path / "third.mp4", claim(".mp4"), first)
    assert third.valid
    assert third.earlier == 1
    assert "assertion.dataHash.mismatch" in c2pa.Reader(str(tmp_path / "third.mp4")).json()


def test_unreadable_credentials_of_the_original_are_never_dropped(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf
) -> None:
    source, signed = tmp_path / "source.png", tmp_path / "signed.png"
    media(source)
    credentials.check_parent(source)
    sign(source, signed, claim(".png"), source)
    credentials.check_parent(signed)
    signed.write_bytes(signed.read_bytes().replace(b"jumb", b"jumc", 1))
    with pytest.raises(UserError, match=r"signed\.png has content credentials that cannot be read"):
        credentials.check_parent(signed)


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A local web server that notes what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/manifest.c2pa", asked
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_manifest_elsewhere_is_never_fetched(
    tmp_path: Path, media: Callable[..., None], claim: ClaimOf, server: tuple[str, list[str]]
) -> None:
    address, asked = server
    source, remote = tmp_path / "source.png", tmp_path / "remote.png"
    media(source)
    key = signing_key()
    builder = c2pa.Builder({"assertions": []})
    builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE)
    builder.set_no_embed()
    builder.set_remote_url(address)
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(key.algorithm, key.chain, key.key, None))
    with source.open("rb") as read, remote.open("w+b") as written:
        builder.sign(signer, "image/png", read, written)
    assert address.encode() in remote.read_bytes()
    assert not credentials.read(remote).valid
    with contextlib.suppress(UserError):
        sign(source, tmp_path / "signed.png", claim(".png"), remote)
    assert asked == []
    # the trap works: the library's own settings do fetch
    with pytest.raises(c2pa.C2paError):
        c2pa.Reader(str(remote))
    assert asked


def test_files_that_cannot_carry_credentials_have_none(tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    Image.new("RGB", (8, 8)).save(path)
    assert credentials.read(path).state == "absent"
    with pytest.raises(UserError, match="cannot be read"):
        credentials.read(tmp_path / "gone.png")


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(UserError, match=r"content credentials library cannot be loaded .*reinstall c2pa-python"):
        credentials.library()
