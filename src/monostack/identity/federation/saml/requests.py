"""Requests: how a caller is sent to an identity provider, and what he brings back unchanged.

A browser is sent by HTTP-Redirect, a program gets the request in an envelope to hand on (ECP). Our id of the
request travels sealed in RelayState, with the dashboard of a browser; so nothing is kept here in between.

Source: SAML 2.0 Bindings, sections 3.2, 3.3 and 3.4; Profiles, section 4.2 (ECP)."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from monostack.identity.federation import sealed
from monostack.identity.federation.saml import keys, places
from monostack.identity.federation.saml.documents import (
    NAMESPACES,
    Element,
    made,
    moment,
    name,
    needed,
    new_id,
    one,
    parsed,
    text,
    written,
)
from monostack.identity.federation.saml.metadata import PAOS, POST, Partner
from monostack.identity.federation.sources import NotProved

if TYPE_CHECKING:
    from monostack.cloud import Cloud

PAOS_TYPE = "application/vnd.paos+xml"
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SECONDS = 600


def _request(cloud: Cloud, url: str, binding: str, destination: str = "") -> Element:
    there = {"Destination": destination} if destination else {}
    return made(
        "samlp:AuthnRequest",
        made("saml:Issuer", places.entity_id(cloud)),
        made("samlp:NameIDPolicy", AllowCreate="true"),
        ID=new_id(),
        Version="2.0",
        IssueInstant=moment(cloud.clock.time()),
        ProtocolBinding=binding,
        AssertionConsumerServiceURL=url,
        **there,
    )


def by_browser(cloud: Cloud, partner: Partner, url: str, origin: str) -> str:
    """The URL of the provider to which a browser is sent."""
    if not partner.redirect_url:
        raise NotProved("its metadata name no place for browsers (HTTP-Redirect)")
    request = _request(cloud, url, POST, partner.redirect_url)
    deflate = zlib.compressobj(wbits=-15)
    packed = deflate.compress(written(request)) + deflate.flush()
    kept = sealed.close(cloud, url, {"request": request.get("ID"), "origin": origin}, SECONDS)
    asked = {"SAMLRequest": base64.b64encode(packed).decode(), "RelayState": kept}
    query = urlencode(asked | ({"SigAlg": RSA_SHA256} if partner.wants_signatures else {}))
    if partner.wants_signatures:
        query += "&" + urlencode({"Signature": _signature(cloud, query)})
    return partner.redirect_url + ("&" if "?" in partner.redirect_url else "?") + query


def _signature(cloud: Cloud, query: str) -> str:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_private_key(keys.pair(cloud.state)[0], None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise NotProved("it wants requests signed, and federation-keys/key.pem is no RSA key")
    return base64.b64encode(key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def by_program(cloud: Cloud, url: str) -> bytes:
    """The envelope with a request that a program hands on to its provider."""
    request = _request(cloud, url, PAOS)
    must = {"soap__mustUnderstand": "1", "soap__actor": NEXT}
    kept = sealed.close(cloud, url, {"request": request.get("ID")}, SECONDS)
    header = made(
        "soap:Header",
        made("paos:Request", responseConsumerURL=url, service=NAMESPACES["ecp"], **must),
        made("ecp:Request", made("saml:Issuer", places.entity_id(cloud)), IsPassive="0", **must),
        made("ecp:RelayState", kept, **must),
    )
    return written(made("soap:Envelope", header, made("soap:Body", request)))


def wants_request(headers: dict[str, str]) -> bool:
    """Whether a program says that it can hand a request on."""
    return PAOS_TYPE in headers.get("accept", "") and NAMESPACES["paos"] in headers.get("paos", "")


def opened(envelope: bytes) -> tuple[Element, str]:
    """The response in the envelope that a program brings, and the RelayState beside it."""
    root = parsed(envelope)
    if root.tag != name("soap:Envelope"):
        raise NotProved("it is no envelope")
    header = one(root, "soap:Header")
    relay = text(one(header, "ecp:RelayState")) if header is not None else ""
    return needed(needed(root, "soap:Body"), "samlp:Response"), relay
