"""Responses: what an identity provider says, believed only as far as it signed it.

One assertion, signed itself or in a signed response, by a certificate of the provider's metadata, with
SHA-256 or better. Only what the signature covers is read on. It must be the provider's, for us (Recipient,
Audience, Destination), for now, an answer to our own request if it is an answer at all, and used for the
first time.

Its attributes are taken by their names and friendly names, and as MELLON_name; NAME_ID, MELLON_NAME_ID,
MELLON_IDP and Shib-Identity-Provider are the subject and the provider, as the usual modules of web servers
call them.

Source: SAML 2.0 Core, Profiles section 4.1.4.3 and 4.2; "On Breaking SAML" (signature wrapping)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from monostack.identity.federation.language import Assertion
from monostack.identity.federation.saml.documents import (
    Element,
    name,
    needed,
    one,
    parsed,
    text,
    written,
)
from monostack.identity.federation.saml.metadata import Partner
from monostack.identity.federation.sources import NotProved

LEEWAY = 60.0
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
NEVER = ("HMAC", "MD5")
"""Signature algorithms that no certificate speaks for, and what is broken."""


@dataclass(frozen=True)
class Expected:
    """What a response must be: from whom, brought where, for whom, when, to which request of ours (none)."""

    partner: Partner
    recipient: str
    audience: str
    now: float
    request_id: str | None


@dataclass(frozen=True)
class Said:
    """An assertion that holds: what it says, a name by which it is used once, and until when it is good."""

    assertion: Assertion
    key: str
    until: float


def read(response: Element, expected: Expected) -> Said:
    """What the response says; raises NotProved."""
    if response.tag != name("samlp:Response"):
        raise NotProved("it is no response")
    assertion = _signed(response, expected.partner)
    code = needed(needed(response, "samlp:Status"), "samlp:StatusCode").get("Value")
    if code != SUCCESS:
        raise NotProved(f"the provider says {code}")
    if response.get("Destination", expected.recipient) != expected.recipient:
        raise NotProved(f"it is meant for {response.get('Destination')}")
    for holder in (response, assertion):
        issuer = one(holder, "saml:Issuer")
        if (issuer is not None or holder is assertion) and text(issuer) != expected.partner.entity_id:
            raise NotProved(f"it is of {text(issuer)[:100]!r}")
    until = _check_subject(assertion, expected, response.get("InResponseTo"))
    _check_conditions(assertion, expected)
    made_of = f"{expected.partner.entity_id}\n{assertion.get('ID')}"
    key = hashlib.sha256(made_of.encode()).hexdigest()
    return Said(_attributes(assertion, expected.partner), key, until + LEEWAY)


def _signed(response: Element, partner: Partner) -> Element:
    """The only assertion, as its signature or the response's covers it."""
    if one(response, "saml:EncryptedAssertion") is not None:
        raise NotProved("its assertion is encrypted: the provider must send it plain, over https")
    assertion = needed(response, "saml:Assertion")
    if one(assertion, "ds:Signature") is not None:
        return _verified(assertion, partner)
    if one(response, "ds:Signature") is None:
        raise NotProved("nobody signed it")
    return needed(_verified(response, partner), "saml:Assertion")


def _verified(element: Element, partner: Partner) -> Element:
    """The element as it was signed, by its own signature; read anew from the bytes that were."""
    from signxml import DigestAlgorithm, SignatureConfiguration, SignatureMethod, XMLVerifier
    from signxml.exceptions import SignXMLException

    weak = NEVER if partner.allow_sha1 else (*NEVER, "SHA1")

    def believed(algorithm: str) -> bool:
        return not any(word in algorithm for word in weak)

    config = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset(each for each in SignatureMethod if believed(each.name)),
        digest_algorithms=frozenset(each for each in DigestAlgorithm if believed(each.name)),
    )
    reason: Exception | None = None
    for certificate in partner.certificates:
        verifier = XMLVerifier()
        try:
            found = verifier.verify(
                written(element), x509_cert=certificate, id_attribute="ID", expect_config=config
            )
        except (SignXMLException, ValueError, KeyError, TypeError) as refusal:
            reason = refusal
            continue
        if isinstance(found, list):
            raise NotProved("the signature covers several things")
        signed = parsed(found.signed_data)
        if signed.tag != element.tag or signed.get("ID") != element.get("ID"):
            raise NotProved("the signature covers something else")
        return signed
    raise NotProved(f"the signature is not the provider's: {reason}")


def _check_subject(assertion: Element, expected: Expected, answers: str | None) -> float:
    """Whoever brings it must be meant to, here and now; the moment at which that ends."""
    reasons = []
    for confirmation in needed(assertion, "saml:Subject").findall(name("saml:SubjectConfirmation")):
        data = one(confirmation, "saml:SubjectConfirmationData")
        if confirmation.get("Method") != BEARER or data is None:
            continue
        until = _moment(data.get("NotOnOrAfter"))
        to = {each for each in (answers, data.get("InResponseTo")) if each is not None}
        if data.get("Recipient") != expected.recipient:
            reasons.append(f"it is to be brought to {data.get('Recipient')}")
        elif until is None or until + LEEWAY <= expected.now or data.get("NotBefore") is not None:
            reasons.append("it is not to be brought now")
        elif to != ({expected.request_id} if expected.request_id else set()):
            reasons.append("it answers another request, or none")
        else:
            return until
    raise NotProved("; ".join(reasons) or "nobody may bring it")


def _check_conditions(assertion: Element, expected: Expected) -> None:
    conditions = one(assertion, "saml:Conditions")
    if conditions is None:
        return
    start, end = _moment(conditions.get("NotBefore")), _moment(conditions.get("NotOnOrAfter"))
    if start is not None and start - LEEWAY > expected.now:
        raise NotProved("it is not good yet")
    if end is not None and end + LEEWAY <= expected.now:
        raise NotProved("it is not good any more")
    for restriction in conditions.findall(name("saml:AudienceRestriction")):
        audiences = [text(each) for each in restriction.findall(name("saml:Audience"))]
        if expected.audience not in audiences:
            raise NotProved(f"it is for {audiences}")


def _moment(written_as: str | None) -> float | None:
    if written_as is None:
        return None
    try:
        found = datetime.fromisoformat(written_as)
    except ValueError:
        raise NotProved(f"{written_as[:50]!r} is no moment") from None
    if found.tzinfo is None:
        raise NotProved(f"{written_as[:50]!r} is no moment of UTC")
    return found.timestamp()


def _attributes(assertion: Element, partner: Partner) -> Assertion:
    out: dict[str, list[str]] = {}
    for said, values in _named(assertion):
        for each in (said, f"MELLON_{said}"):
            out.setdefault(each, []).extend(values)
    subject = text(one(needed(assertion, "saml:Subject"), "saml:NameID"))
    for each in ("NAME_ID", "MELLON_NAME_ID"):
        out[each] = [subject] if subject else []
    for each in ("MELLON_IDP", "Shib-Identity-Provider"):
        out[each] = [partner.entity_id]
    return out


def _named(assertion: Element) -> Iterator[tuple[str, list[str]]]:
    for statement in assertion.findall(name("saml:AttributeStatement")):
        for attribute in statement.findall(name("saml:Attribute")):
            values = [text(each) for each in attribute.findall(name("saml:AttributeValue"))]
            for said in {attribute.get("Name"), attribute.get("FriendlyName")} - {None, ""}:
                yield said, values
