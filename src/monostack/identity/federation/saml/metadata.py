"""Metadata: what an identity provider says of itself, and what this cloud says of itself.

A provider's metadata are a file of the operator beside the file of sources. Its certificates there, and
nothing that a message brings along, say whose signature it is.

Source: SAML 2.0 Metadata."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from monostack.identity.federation import sources
from monostack.identity.federation.saml import keys, places
from monostack.identity.federation.saml.documents import NAMESPACES, made, name, parsed, text, written
from monostack.identity.federation.sources import NotProved, Saml

if TYPE_CHECKING:
    from monostack.cloud import Cloud

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
PAOS = "urn:oasis:names:tc:SAML:2.0:bindings:PAOS"
URI = "urn:oasis:names:tc:SAML:2.0:bindings:URI"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


@dataclass(frozen=True)
class Partner:
    """An identity provider: its name, its certificates in PEM, where browsers are sent, and whether it wants
    requests signed."""

    entity_id: str
    certificates: tuple[str, ...]
    redirect_url: str
    wants_signatures: bool
    allow_sha1: bool = False


def partner(cloud: Cloud, source: Saml) -> Partner:
    """The provider that the file describes; raises NotProved."""
    path = sources.folder(cloud) / Path(source.metadata).name
    try:
        return replace(_read(path, path.stat().st_mtime_ns), allow_sha1=source.allow_sha1)
    except OSError as reason:
        raise NotProved(f"its metadata cannot be read: {reason}") from None


@lru_cache(maxsize=32)
def _read(path: Path, changed: int) -> Partner:
    root = parsed(path.read_bytes())
    descriptor = root.find(name("md:IDPSSODescriptor"))
    if root.tag != name("md:EntityDescriptor") or descriptor is None or not root.get("entityID"):
        raise NotProved("its metadata are no EntityDescriptor of an identity provider")
    certificates = tuple(
        _pem(text(found))
        for each in descriptor.findall(name("md:KeyDescriptor"))
        if each.get("use") in (None, "signing")
        for found in each.iter(name("ds:X509Certificate"))
    )
    if not certificates:
        raise NotProved("its metadata have no certificate for signatures")
    services = descriptor.findall(name("md:SingleSignOnService"))
    urls = [each.get("Location") for each in services if each.get("Binding") == REDIRECT]
    wants = descriptor.get("WantAuthnRequestsSigned", "false") in ("true", "1")
    return Partner(root.get("entityID"), certificates, urls[0] if urls else "", wants)


def _pem(base64: str) -> str:
    lines = textwrap.wrap("".join(base64.split()), 64)
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def ours(cloud: Cloud) -> bytes:
    """This cloud's metadata: as an identity provider, and as a service provider for each SAML source."""
    certificate = keys.pair(cloud.state)[1]
    bare = "".join(line for line in certificate.splitlines() if "-----" not in line)

    def signing():
        data = made("ds:X509Data", made("ds:X509Certificate", bare))
        return made("md:KeyDescriptor", made("ds:KeyInfo", data), use="signing")

    protocol = NAMESPACES["samlp"]
    here = places.single_sign_on(cloud)
    provider = made(
        "md:IDPSSODescriptor",
        signing(),
        made("md:NameIDFormat", TRANSIENT),
        made("md:SingleSignOnService", Binding=URI, Location=here),
        protocolSupportEnumeration=protocol,
        WantAuthnRequestsSigned="false",
    )
    parts = [provider]
    consumers = []
    for (idp_id, protocol_id), source in sorted(sources.all_of(cloud).items()):
        if isinstance(source, Saml):
            consumers.append((POST, places.for_browsers(cloud, idp_id, protocol_id)))
            consumers.append((PAOS, places.for_programs(cloud, idp_id, protocol_id)))
    if consumers:
        doors = [
            made("md:AssertionConsumerService", Binding=binding, Location=url, index=str(number))
            for number, (binding, url) in enumerate(consumers)
        ]
        consumer = made(
            "md:SPSSODescriptor",
            signing(),
            *doors,
            protocolSupportEnumeration=protocol,
            AuthnRequestsSigned="true",
            WantAssertionsSigned="true",
        )
        parts.append(consumer)
    return written(made("md:EntityDescriptor", *parts, entityID=places.entity_id(cloud)))
