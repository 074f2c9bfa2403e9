"""The certificate that a client showed to a proxy in front of us, which checked it and ended its TLS.

The proxy passes it on in a header, as PEM, its special characters in per cent (nginx:
$ssl_client_escaped_cert). The header counts only from proxies that a setting names; whoever else sends it
has no certificate.

Source: RFC 8705 (mutual TLS for OAuth 2.0); the thumbprint is what keystone and its middleware compare:
SHA-256 over the PEM text, in base64 for URLs."""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass
from urllib.parse import unquote

from monostack.identity.authentication.methods.external import trusted
from monostack.kit.request import Request

LONGEST = 32768


@dataclass(frozen=True)
class Certificate:
    """What identity looks at: the thumbprint, and the names of subject and issuer as mappings know them."""

    thumbprint: str
    names: dict[str, list[str]]


def presented(request: Request) -> Certificate | None:
    """The certificate of the request's client, if a trusted proxy shows one that can be read."""
    text = _shown(request)
    if text is None:
        return None
    from cryptography import x509  # only who uses certificates pays for it
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        certificate = x509.load_pem_x509_certificate(text)
        names = _names("SUBJECT", certificate.subject) | _names("ISSUER", certificate.issuer)
    except ValueError:
        return None
    return Certificate(_thumbprint(certificate.public_bytes(Encoding.DER)), names)


def thumbprint(request: Request) -> str | None:
    """The thumbprint of the certificate that the request's client showed, without reading more of it."""
    text = _shown(request)
    try:
        return None if text is None else _thumbprint(ssl.PEM_cert_to_DER_cert(text.decode("ascii").strip()))
    except ValueError:
        return None


def _shown(request: Request) -> bytes | None:
    header = request.header(request.cloud.settings.identity.client_certificate_header.lower())
    if not header or len(header) > LONGEST or not trusted(request):
        return None
    return unquote(header).encode("ascii", "replace")


def _thumbprint(der: bytes) -> str:
    digest = hashlib.sha256(ssl.DER_cert_to_PEM_cert(der).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _names(whose: str, name) -> dict[str, list[str]]:
    """SSL_CLIENT_SUBJECT_DN_CN and its kin, with their values."""
    from cryptography.x509.oid import NameOID

    out: dict[str, list[str]] = {}
    for attribute in name:
        known = attribute.rfc4514_attribute_name
        if attribute.oid == NameOID.EMAIL_ADDRESS:
            known = "emailAddress"
        out.setdefault(f"SSL_CLIENT_{whose}_DN_{known.upper()}", []).append(str(attribute.value))
    return out
