"""The key that signs content credentials: made locally on first use, or the user's own certificate.

A folder (``~/.config/swaplab/signing``, or what ``SWAPLAB_SIGNING`` names) holds

key.pem     the private key of the signer
chain.pem   its certificate, then those of intermediate authorities
root.pem    the local authority that signed it; nobody trusts it until they choose to

To sign with a certificate of one's own, put its key.pem and chain.pem in a folder and name that in ``SWAPLAB_SIGNING``.
"""

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swaplab.errors import UserError
from swaplab.places import expanded

# Without a time-stamp server a signature is judged by the clock of the reader, so it lives as long as the certificate.
LIFETIME = timedelta(days=365 * 20)
CURVES = {256: "es256", 384: "es384", 521: "es512"}


@dataclass(frozen=True)
class SigningKey:
    """A private key, its certificate chain (both PEM) and the algorithm's name in C2PA."""

    algorithm: str
    chain: bytes
    key: bytes = field(repr=False)


def signing_folder() -> Path:
    """Where the signing key lives."""
    return expanded(os.environ.get("SWAPLAB_SIGNING") or "~/.config/swaplab/signing", "set SWAPLAB_SIGNING=DIR")


def signing_key() -> SigningKey:
    """The signing key, made on first use. Raises UserError if it cannot be made or used, or if others can read it."""
    folder = signing_folder()
    try:
        if not (folder.is_dir() and any(folder.iterdir())):
            _make(folder)
        key, chain = (folder / "key.pem").read_bytes(), (folder / "chain.pem").read_bytes()
        mode = stat.S_IMODE((folder / "key.pem").stat().st_mode)
    except OSError as error:
        raise UserError(
            f"signing key in {folder} cannot be used ({error.strerror}: {error.filename}); "
            "a folder of one's own holds key.pem and chain.pem, without one a key is made"
        ) from None
    if mode & 0o077:
        raise UserError(
            f"signing key {folder / 'key.pem'} can be read by others (mode {mode:04o}); run chmod 600 on it"
        )
    return SigningKey(_algorithm(folder, key, chain), chain, key)


def _algorithm(folder: Path, key: bytes, chain: bytes) -> str:
    """The algorithm of a usable pair of key and certificate; UserError if it is none."""
    try:
        private = serialization.load_pem_private_key(key, password=None)
        certificate = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, TypeError) as error:
        raise UserError(f"signing key in {folder} is damaged or encrypted ({error}); give plain PEM files") from None
    if private.public_key() != certificate.public_key():
        raise UserError(f"{folder / 'chain.pem'} does not begin with the certificate of key.pem; put that first")
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise UserError(f"the certificate in {folder} is out of date; move the folder away and a new one is made")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.key_size in CURVES:
        return CURVES[private.curve.key_size]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise UserError(f"signing key in {folder} is of a kind C2PA does not know; use ECDSA P-256, RSA or Ed25519")


def _make(folder: Path) -> None:
    """Make a local authority and a signer. Of several processes at once, one's folder becomes ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in _new_key().items():
            with open(os.open(unfinished / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                os.fsync(file.fileno())
        os.rename(unfinished, folder)
    except OSError:
        # a folder that is not empty is never replaced: another process was first, and its key is as good
        if not (folder / "key.pem").is_file():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _new_key() -> dict[str, bytes]:
    """key.pem, chain.pem and root.pem. The root's private key is thrown away: it can sign nothing else, ever."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _name("swaplab local root"), _name("swaplab local signer")
    root = _certificate(root_name, root_key, root_name, root_key, authority=True)
    leaf = _certificate(name, key, root_name, root_key, authority=False)
    return {
        "key.pem": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "chain.pem": leaf.public_bytes(serialization.Encoding.PEM),
        "root.pem": root.public_bytes(serialization.Encoding.PEM),
    }


def _name(common: str) -> x509.Name:
    # no user and no host name: outputs carry this
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "swaplab"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    authority: bool,
) -> x509.Certificate:
    """A certificate as C2PA asks (C2PA 2.2, section 14.5: signers with the key usage of e-mail protection)."""
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # a day back: a reader's clock may be behind
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
