"""The signing key: private, made once whoever asks first, or the user's own."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swaplab.errors import UserError
from swaplab.marking.signer import signing_key

PEM = serialization.Encoding.PEM


def own_certificate(folder: Path, days: int = 30) -> None:
    """key.pem and chain.pem of a user's own RSA signer."""
    folder.mkdir(parents=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Studio"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "S")]
    )
    authority_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Studio root")]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(certificate.public_bytes(PEM))
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pem").chmod(0o600)


def test_key_is_made_once_and_readable_by_its_owner_alone(signing: Path) -> None:
    key = signing_key()
    assert stat.S_IMODE(signing.stat().st_mode) == 0o700
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in signing.iterdir()} == dict.fromkeys(
        ("key.pem", "chain.pem", "root.pem"), 0o600
    )
    assert signing_key() == key
    assert key.algorithm == "es256"
    assert "PRIVATE" not in repr(key)
    assert [p.name for p in signing.parent.iterdir()] == [signing.name]


def test_the_certificate_is_signed_by_a_root_whose_key_is_nowhere(signing: Path) -> None:
    signing_key()
    root = x509.load_pem_x509_certificate((signing / "root.pem").read_bytes())
    leaf = x509.load_pem_x509_certificate((signing / "chain.pem").read_bytes())
    leaf.verify_directly_issued_by(root)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    private = serialization.load_pem_private_key((signing / "key.pem").read_bytes(), None)
    assert private.public_key() == leaf.public_key() != root.public_key()
    words = leaf.subject.rfc4514_string() + leaf.issuer.rfc4514_string()
    assert words == "CN=swaplab local signer,O=swaplabCN=swaplab local root,O=swaplab"


def test_processes_that_make_the_key_at_once_end_with_one_key(signing: Path) -> None:
    # all wait for one line on stdin, so that they start together
    program = "from swaplab.marking.signer import signing_key; input(); print(signing_key().chain.decode())"
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    chains = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(chains) == 1
    assert "BEGIN CERTIFICATE" in chains.pop()
    assert [p.name for p in signing.parent.iterdir()] == [signing.name]


def test_being_second_uses_the_first_key(signing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import swaplab.marking.signer as signer

    slow = signer._new_key
    first = []

    def overtaken() -> dict[str, bytes]:
        monkeypatch.setattr(signer, "_new_key", slow)
        first.append(signing_key())
        return slow()

    monkeypatch.setattr(signer, "_new_key", overtaken)
    assert signing_key() == first[0]
    assert [p.name for p in signing.parent.iterdir()] == [signing.name]


def test_a_failure_while_making_it_leaves_nothing(signing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device", "key.pem")))
    with pytest.raises(UserError, match="No space left"):
        signing_key()
    assert list(signing.parent.iterdir()) == []


def test_ones_own_certificate(signing: Path) -> None:
    own_certificate(signing)
    assert signing_key().algorithm == "ps256"


def test_keys_that_cannot_be_used_are_refused(signing: Path) -> None:
    own_certificate(signing)
    key, chain = signing / "key.pem", signing / "chain.pem"
    key.chmod(0o640)
    with pytest.raises(UserError, match=r"can be read by others .*chmod 600"):
        signing_key()
    key.chmod(0o600)
    whole = key.read_bytes()
    key.write_bytes(whole[:100])
    with pytest.raises(UserError, match="damaged or encrypted"):
        signing_key()
    other = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(other.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    with pytest.raises(UserError, match=r"chain\.pem does not start with the certificate"):
        signing_key()
    key.unlink()
    with pytest.raises(UserError, match=r"No such file .*key\.pem"):
        signing_key()
    key.write_bytes(whole)
    key.chmod(0o600)
    chain.write_text("nothing")
    with pytest.raises(UserError, match="damaged or encrypted"):
        signing_key()


def test_an_expired_certificate_is_refused_before_any_work(signing: Path) -> None:
    own_certificate(signing, days=-1)
    with pytest.raises(UserError, match="has expired"):
        signing_key()


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SWAPLAB_SIGNING", str(tmp_path / "file" / "signing"))
    with pytest.raises(UserError, match=r"signing key in .* cannot be used"):
        signing_key()
