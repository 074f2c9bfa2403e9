"""SSH keys: reading public ones, their fingerprints, making pairs.

A fingerprint is the MD5 of the key's wire form in pairs of hex digits (RFC 4716, section 4), because that is
what clients compare with. Whether a key is a key is decided by parsing it, not by its first word.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BITS = 2048
CERTIFICATE_DAYS = 3650
PRINCIPAL = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""The user principal name, by which Windows maps a certificate to an account (MS-WCCE); a UTF8String."""


def generate() -> tuple[str, str]:
    """A new RSA pair: (public key in OpenSSH form, private key as PEM). Costs some 50 to 500 ms of CPU."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode() + " Generated-by-Nova", private


def generate_certificate(user_id: str) -> tuple[str, str]:
    """A new client certificate of the user, signed by its own key, as guests without SSH take it for WinRM:
    (certificate, private key), both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id)])
    principal = b"\x0c" + bytes([len(user_id) + 10]) + f"{user_id}@localhost".encode()
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.OtherName(PRINCIPAL, principal)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of an OpenSSH public key; raises ValueError in words."""
    words = public_key.split(None, 2)
    if len(words) < 2:
        raise ValueError("a public key has the form 'TYPE BASE64 COMMENT'")
    try:
        wire = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the second word of the public key is not base64") from None
    try:
        serialization.load_ssh_public_key(f"{words[0]} {words[1]}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the public key cannot be read as an SSH key") from None
    digest = hashlib.md5(wire, usedforsecurity=False).hexdigest()
    return ":".join(digest[n : n + 2] for n in range(0, 32, 2))


def x509_fingerprint(certificate: str) -> str:
    """The SHA-1 fingerprint of a PEM certificate, the spelling for key pairs of type x509; raises
    ValueError."""
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise ValueError("the certificate cannot be read as PEM") from None
    digest = read.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - the spelling clients compare with
    return ":".join(digest[n : n + 2] for n in range(0, len(digest), 2))
