"""swaplab verify: its exit codes are what a script relies on, its words what a person does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swaplab.marking.claim import Claim, GroundDigest
from swaplab.marking.label import Label
from swaplab.marking.sidecar import sidecar_of
from swaplab.marking.writer import write_marked

Command = Callable[..., tuple[int, str, str]]


def converted(folder: Path, name: str = "converted.png", text: str = "AI-altered") -> Path:
    """A marked grey picture."""
    original, label = folder / "original.png", Label(text)
    Image.new("RGB", (160, 96), (120, 120, 120)).save(original)
    ground = GroundDigest("consent", "a" * 64)
    claim = Claim("picture", "s1-0", "b" * 64, "c" * 64, ground, ground, 1, 1, label)

    def produce(path: Path) -> None:
        Image.fromarray(label.draw(np.asarray(Image.open(original)))).save(path)

    write_marked(folder / name, original, claim, produce)
    return folder / name


@pytest.fixture(autouse=True)
def _signing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLAB_SIGNING", str(tmp_path / "signing"))


def test_intact_broken_and_bad_input_have_their_own_codes(command: Command, tmp_path: Path) -> None:
    output = converted(tmp_path, "Übung, 1.png")
    code, said, complaint = command("verify", output)
    assert (code, complaint) == (0, "")
    assert "content credentials: intact; valid, untrusted signer 'swaplab local signer'" in said
    assert "not who signed it" in said
    assert "faces_swapped 1" in said
    assert said.endswith("  all marks are present and intact\n")

    plain = tmp_path / "original.png"
    code, said, _ = command("verify", plain)
    assert code == 1
    assert "content credentials: missing" in said
    assert "NOT all marks" in said

    code, _, complaint = command("verify", tmp_path / "gone.png")
    assert code == 2
    assert complaint == f"swaplab verify: {tmp_path / 'gone.png'} is not a file; give the path of a picture or video\n"

    # every file is looked at, the worst decides
    code, said, complaint = command("verify", output, tmp_path / "gone.png", plain)
    assert code == 2
    assert str(output) in said
    assert str(plain) in said

    flipped = bytearray(output.read_bytes())
    flipped[-40] ^= 1
    output.write_bytes(flipped)
    code, said, _ = command("verify", output)
    assert code == 1
    assert "content credentials: broken; the file was changed after signing" in said
    assert "assertion.dataHash.mismatch" in said
    assert "stated by the signer" not in said


def test_no_file_is_a_mistake_and_help_is_not(command: Command) -> None:
    code, _, complaint = command("verify")
    assert code == 2
    assert "no file given" in complaint
    code, said, _ = command("verify", "--help")
    assert code == 0
    assert "Exit codes: 0" in said
    assert "SWAPLAB_TRUST" in said


def test_words_from_a_file_cannot_steer_the_terminal(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from swaplab.marking import credentials

    output, read = converted(tmp_path), credentials.read
    forged = replace(
        read(output), signer="\x1b[2Jswaplab\n  all marks are present and intact", claim={"run": "\x1b]0;x\x07"}
    )
    monkeypatch.setattr("swaplab.marking.credentials.read", lambda path: forged)
    _, said, _ = command("verify", output)
    assert "\x1b" not in said
    assert "\x07" not in said
    assert said.count("\n  all marks") == 0


def test_a_trust_file_that_is_none_is_bad_input(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = converted(tmp_path)
    monkeypatch.setenv("SWAPLAB_TRUST", str(tmp_path / "gone.pem"))
    code, _, complaint = command("verify", output)
    assert code == 2
    assert "SWAPLAB_TRUST=" in complaint
    monkeypatch.setenv("SWAPLAB_TRUST", str(sidecar_of(output)))
    code, said, complaint = command("verify", output)
    assert (code, said) == (2, "")
    assert "PEM" in complaint
