"""Signed images: data that do not fit the signature that their image carries never become an image.

An image that has all of img_signature (base64), img_signature_hash_method, img_signature_key_type and
img_signature_certificate_uuid is verified while its data come; with none or only some of them nothing is
verified. The certificate is found by its uuid through `certificate`, the one seam to whoever keeps
certificates. A key manager will be asked there; until the cloud has one, an operator puts the certificates
that he trusts into a folder (`image.certificates`), UUID.pem each, in PEM or DER.

Source: image user guide, "Signature verification": SHA-224 to SHA-512; RSA-PSS with MGF1 over the same hash
and the longest salt, DSA, ECDSA over the curves of at least 384 bits. Of those only the prime ones are here:
the binary ones (SECT...) are not in the library any more, and such an image is refused.
"""

import base64
import binascii
import datetime
import uuid
from pathlib import Path
from typing import Any

METHOD, KIND, VALUE, CERTIFICATE = (
    "img_signature_hash_method",
    "img_signature_key_type",
    "img_signature",
    "img_signature_certificate_uuid",
)
NAMES = (VALUE, METHOD, KIND, CERTIFICATE)
HASHES = ("SHA-224", "SHA-256", "SHA-384", "SHA-512")
CURVES = ("SECP521R1", "SECP384R1")
KINDS = ("RSA-PSS", "DSA", *(f"ECC_{curve}" for curve in CURVES))


class Unsigned(Exception):
    """The data are not what was signed, or it cannot be found out; the words say what is wrong."""


def verifier(cloud, image: dict) -> "Verifier | None":
    """What verifies the data of an image; None if it is not signed. Raises Unsigned in words."""
    properties = image["properties"] or {}
    if not all(properties.get(name) for name in NAMES):
        return None
    found = certificate(cloud, properties[CERTIFICATE])
    return Verifier(found, properties[KIND], properties[METHOD], properties[VALUE])


def certificate(cloud, name: str) -> bytes:
    """The certificate of a uuid, PEM or DER; raises Unsigned."""
    folder = cloud.settings.image.certificates
    try:
        wanted = str(uuid.UUID(name))
    except ValueError:
        raise Unsigned(f"{CERTIFICATE} is no uuid.") from None
    if not folder:
        raise Unsigned("Signatures cannot be verified: this cloud keeps no certificates.")
    try:
        return (Path(folder) / f"{wanted}.pem").read_bytes()
    except OSError:
        raise Unsigned(f"The certificate {wanted} of the signature cannot be found.") from None


class Verifier:
    """Takes the data as they pass and judges at the end."""

    def __init__(self, found: bytes, kind: str, method: str, value: str) -> None:
        from cryptography.hazmat.primitives import hashes

        if method not in HASHES:
            raise Unsigned(f"{METHOD} is '{method[:50]}': it must be one of {', '.join(HASHES)}.")
        if kind not in KINDS:
            raise Unsigned(f"{KIND} is '{kind[:50]}': it must be one of {', '.join(KINDS)}.")
        try:
            self.value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Unsigned(f"{VALUE} is no base64.") from None
        self.hash = getattr(hashes, method.replace("-", ""))()
        self.kind = kind
        self.key = _key(found, kind)
        self._counter = hashes.Hash(self.hash)

    def update(self, chunk: bytes) -> None:
        self._counter.update(chunk)

    def finish(self) -> None:
        """Raises Unsigned unless the data are what was signed."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

        digest, counted = self._counter.finalize(), utils.Prehashed(self.hash)
        try:
            if self.kind == "RSA-PSS":
                form = padding.PSS(padding.MGF1(self.hash), padding.PSS.MAX_LENGTH)
                self.key.verify(self.value, digest, form, counted)
            elif self.kind == "DSA":
                self.key.verify(self.value, digest, counted)
            else:
                self.key.verify(self.value, digest, ec.ECDSA(counted))
        except (InvalidSignature, ValueError):
            raise Unsigned("Signature verification failed: the data are not what was signed.") from None


def _key(found: bytes, kind: str) -> Any:
    """The public key of a certificate that is valid now and of the kind."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        pem = b"-----BEGIN" in found
        read = x509.load_pem_x509_certificate(found) if pem else x509.load_der_x509_certificate(found)
        key = read.public_key()
    except Exception:
        raise Unsigned("The certificate of the signature cannot be read.") from None
    now = datetime.datetime.now(datetime.UTC)
    if not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
        raise Unsigned("The certificate of the signature is not valid now.")
    if kind == "RSA-PSS":
        fits = isinstance(key, rsa.RSAPublicKey)
    elif kind == "DSA":
        fits = isinstance(key, dsa.DSAPublicKey)
    else:
        curve = kind.removeprefix("ECC_").lower()
        fits = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name.lower() == curve
    if not fits:
        raise Unsigned(f"The certificate of the signature has no key of the type {kind}.")
    return key
