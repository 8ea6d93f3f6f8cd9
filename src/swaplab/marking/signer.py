"""The key that signs content credentials: created locally on first use, or the user's own certificate.

A folder (``~/.config/swaplab/signing``, or the one in ``SWAPLAB_SIGNING``) contains

key.pem     the signer's private key
chain.pem   its certificate, then those of intermediate authorities
root.pem    the local authority that signed it; nobody trusts it unless they choose to

To sign with your own certificate, put its key.pem and chain.pem into a folder and set ``SWAPLAB_SIGNING`` to it.
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

# without a time-stamp server, a signature is only valid as long as its certificate
LIFETIME = timedelta(days=365 * 20)
CURVES = {256: "es256", 384: "es384", 521: "es512"}


@dataclass(frozen=True)
class SigningKey:
    """A private key and its certificate chain (both PEM), and the C2PA name of the algorithm."""

    algorithm: str
    chain: bytes
    key: bytes = field(repr=False)


def signing_folder() -> Path:
    """The folder of the signing key."""
    return expanded(os.environ.get("SWAPLAB_SIGNING") or "~/.config/swaplab/signing", "set SWAPLAB_SIGNING=DIR")


def signing_key() -> SigningKey:
    """The signing key, created on first use. Raises UserError if it cannot be created or used, or if others can read
    it."""
    folder = signing_folder()
    try:
        if not (folder.is_dir() and any(folder.iterdir())):
            _make(folder)
        key, chain = (folder / "key.pem").read_bytes(), (folder / "chain.pem").read_bytes()
        mode = stat.S_IMODE((folder / "key.pem").stat().st_mode)
    except OSError as error:
        raise UserError(
            f"signing key in {folder} cannot be used ({error.strerror}: {error.filename}); put key.pem and chain.pem "
            "there, or remove the folder to create a new key"
        ) from None
    if mode & 0o077:
        raise UserError(
            f"signing key {folder / 'key.pem'} can be read by others (mode {mode:04o}); run chmod 600 on it"
        )
    return SigningKey(_algorithm(folder, key, chain), chain, key)


def _algorithm(folder: Path, key: bytes, chain: bytes) -> str:
    """The algorithm of the key and certificate. Raises UserError if they cannot be used together."""
    try:
        private = serialization.load_pem_private_key(key, password=None)
        certificate = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, TypeError) as error:
        raise UserError(f"signing key in {folder} is damaged or encrypted ({error}); give plain PEM files") from None
    if private.public_key() != certificate.public_key():
        raise UserError(f"{folder / 'chain.pem'} does not start with the certificate of key.pem; put it first")
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise UserError(f"the certificate in {folder} has expired; move the folder away to create a new one")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.key_size in CURVES:
        return CURVES[private.curve.key_size]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise UserError(f"C2PA does not support the kind of signing key in {folder}; use ECDSA P-256, RSA or Ed25519")


def _make(folder: Path) -> None:
    """Create a local authority and a signer. If several processes do so at once, one of the results is kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in _new_key().items():
            with open(os.open(unfinished / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                os.fsync(file.fileno())
        os.rename(unfinished, folder)
    except OSError:
        # a folder that is not empty is never replaced: another process was first, and its key will do
        if not (folder / "key.pem").is_file():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _new_key() -> dict[str, bytes]:
    """key.pem, chain.pem and root.pem. The root's private key is discarded, so that it can never sign anything else."""
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
    # no user or host name, because outputs contain this
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
    """A certificate for C2PA (C2PA 2.2, section 14.5: signers with the extended key usage of e-mail protection)."""
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
        # a day back, because a reader's clock may be slow
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
