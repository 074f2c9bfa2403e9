"""The key with which this cloud signs in SAML, and the certificate by which others know it.

It stands in the state directory (federation-keys/key.pem and certificate.pem) and is made when it is first
needed; an operator may put another pair there while the cloud is stopped. Who knows the certificate believes
assertions until it is taken out of his metadata, so it is never changed by itself.

Source: SAML 2.0 Metadata, section 2.4.1.1 (KeyDescriptor)."""

from __future__ import annotations

import datetime
import fcntl
import os
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

YEARS = 10


@lru_cache(maxsize=8)
def pair(state: Path) -> tuple[bytes, str]:
    """The private key and the certificate, in PEM."""
    folder = state / "federation-keys"
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    if not certificate.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this cloud may be making it
            if not certificate.exists():
                private, public = _made()
                _write(key, private)
                _write(certificate, public)
    return key.read_bytes(), certificate.read_text()


def _made() -> tuple[bytes, bytes]:
    private = rsa.generate_private_key(65537, 3072)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federation")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return (
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
        certificate.public_bytes(pem),
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, for us alone."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
