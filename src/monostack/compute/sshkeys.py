"""SSH keys: reading public ones, their fingerprints, making pairs.

A fingerprint is the MD5 of the key's wire form in pairs of hex digits (RFC 4716, section 4), because that is
what clients compare with. Whether a key is a key is decided by parsing it, not by its first word.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

BITS = 2048


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
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise ValueError("the certificate cannot be read as PEM") from None
    digest = read.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - the spelling clients compare with
    return ":".join(digest[n : n + 2] for n in range(0, len(digest), 2))
