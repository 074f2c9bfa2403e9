"""XML as strangers send it, read without what XML can do besides: no entities, DTDs, comments, no network.

A comment in the middle of a name would make two texts of one, of which a careless reader takes the first; so
a document with comments or processing instructions is none here.

Source: SAML 2.0 Core; the OWASP notes on XML external entities."""

from __future__ import annotations

import os
from typing import Any

from lxml import etree

from monostack.identity.federation.sources import NotProved

NAMESPACES = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "soap": "http://schemas.xmlsoap.org/soap/envelope/",
    "ecp": "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp",
    "paos": "urn:liberty:paos:2003-08",
}
LARGEST = 1 << 20

Element = Any


def parsed(content: bytes) -> Element:
    """The root of the document; raises NotProved for what is none, or more than XML."""
    if len(content) > LARGEST:
        raise NotProved("the document is too large")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as reason:
        raise NotProved(f"it is no XML: {reason}") from None
    if root.getroottree().docinfo.doctype:
        raise NotProved("it has a document type")
    for node in root.iter():
        if not isinstance(node.tag, str):
            raise NotProved("it has comments, entities or processing instructions")
    return root


def name(short: str) -> str:
    """`saml:Issuer` as the library spells it."""
    prefix, _, local = short.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def made(short: str, *children: Element | str, **attributes: str) -> Element:
    """A new element; attributes' names are written as SAML has them, with __ for a colon."""
    prefix = short.partition(":")[0]
    nsmap = {prefix: NAMESPACES[prefix]}
    spelled = {
        name(key.replace("__", ":")) if "__" in key else key: value for key, value in attributes.items()
    }
    nsmap |= {key.partition("__")[0]: NAMESPACES[key.partition("__")[0]] for key in attributes if "__" in key}
    element = etree.Element(name(short), spelled, nsmap)
    for child in children:
        if isinstance(child, str):
            element.text = child
        else:
            element.append(child)
    return element


def written(element: Element) -> bytes:
    return etree.tostring(element)


def one(element: Element, short: str) -> Element | None:
    """The only child of that name; None where there is none. Raises NotProved for several."""
    found = element.findall(name(short))
    if len(found) > 1:
        raise NotProved(f"it has {len(found)} {short}")
    return found[0] if found else None


def needed(element: Element, short: str) -> Element:
    found = one(element, short)
    if found is None:
        raise NotProved(f"it has no {short}")
    return found


def text(element: Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def new_id() -> str:
    return "_" + os.urandom(16).hex()


def moment(seconds: float) -> str:
    """A moment as SAML writes it."""
    from monostack.kit import clock

    return clock.from_seconds(seconds)[:19] + "Z"
