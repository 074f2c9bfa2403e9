"""Vouching: a signed assertion about a user of this cloud, for another cloud that believes it.

A token for a project opens the door; user, roles, project and their domains stand in the assertion under the
names that other clouds' mappings know. It is for one service provider alone (Recipient), and good for a while
(federation.assertion_seconds). For a program it comes in an envelope (ECP).

Source: federation guide, "Keystone to Keystone"; identity API reference, "Generate a SAML assertion" and
"Generate an ECP wrapped SAML assertion"; SAML 2.0 Core."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

import msgspec

from monostack.identity.authentication.methods.token import not_valid
from monostack.identity.federation import service_providers
from monostack.identity.federation.saml import keys, places
from monostack.identity.federation.saml.documents import Element, made, moment, new_id, written
from monostack.identity.federation.saml.requests import NEXT
from monostack.identity.federation.saml.responses import BEARER, SUCCESS
from monostack.identity.tables import GROUPS, MEMBERSHIPS, PROJECTS
from monostack.identity.tokens import tokens
from monostack.kit.context import Context
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Response
from monostack.kit.schemas import Validator

ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
SCOPE_WORDS = (
    "You are not authorized to perform the requested action: Use a project scoped token when attempting to "
    "create a SAML assertion."
)


@cache
def structure() -> Validator:
    """What a request must look like."""

    def only(needed: tuple[str, ...], **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(needed),
            "additionalProperties": False,
        }

    named = only(("id",), id={"type": "string"})
    identity = only(("token",), token=named, methods={"type": "array"})
    scope = only(("service_provider",), service_provider=named)
    return Validator(only(("identity", "scope"), identity=identity, scope=scope))


async def assertion(request: Request, ctx: Context) -> Response:
    """A response about the user of a token, for a service provider."""
    response, provider = await _vouch(request, ctx)
    return _answer(response, provider)


async def envelope(request: Request, ctx: Context) -> Response:
    """The same in the envelope that a program brings to the service provider."""
    response, provider = await _vouch(request, ctx)
    relay = provider["relay_state_prefix"] + uuid.uuid4().hex
    header = made("ecp:RelayState", relay, soap__mustUnderstand="1", soap__actor=NEXT)
    whole = made("soap:Envelope", made("soap:Header", header), made("soap:Body", response))
    return _answer(whole, provider)


def _answer(element: Element, provider: Row) -> Response:
    headers = [
        ("Content-Type", "text/xml"),
        ("X-sp-url", provider["sp_url"]),
        ("X-auth-url", provider["auth_url"]),
        ("Cache-Control", "no-store"),
    ]
    return Response(200, written(element), headers)


async def _vouch(request: Request, ctx: Context) -> tuple[Element, Row]:
    asked: Any = request.body.get("auth") if isinstance(request.body, dict) else None
    structure().check(asked)
    provider, about = await ctx.read(
        _about, asked["identity"]["token"]["id"], asked["scope"]["service_provider"]["id"]
    )
    issuer = places.entity_id(ctx.cloud)
    response = await ctx.cpu(_response, ctx.cloud, issuer, provider, about, ctx.cloud.clock.time())
    return response, provider


def _about(db: Db, token: str, provider_id: str) -> tuple[Row, dict[str, list[str]]]:
    """The service provider, and what is said of the user; raises the refusal."""
    provider = service_providers.enabled(db, provider_id)
    caller = tokens.validate(db, token)
    if caller is None:
        raise not_valid(db, token)
    if caller.project_id is None:
        raise Error(403, "Forbidden", SCOPE_WORDS)
    said, project = caller.token, caller.token["project"]
    about = {
        "openstack_user": [said["user"]["name"]],
        "openstack_user_domain": [said["user"]["domain"]["name"]],
        "openstack_roles": [role["name"] for role in said["roles"]],
        "openstack_project": [project["name"]],
        "openstack_project_domain": [project["domain"]["name"]],
    }
    groups = _groups(db, caller.user_id)
    return provider, about | ({"openstack_groups": groups} if groups else {})


def _groups(db: Db, user_id: str) -> list[str]:
    """The user's groups as mappings of other clouds read them."""
    member_of = [row["group_id"] for row in db.all(MEMBERSHIPS, user_id=user_id)]
    out = []
    for group in db.all(GROUPS, id=member_of, order="name") if member_of else ():
        domain = db.one(PROJECTS, id=group["domain_id"], is_domain=True)
        known = {"name": group["name"], "domain": {"name": domain["name"] if domain else ""}}
        out.append("JSON:" + msgspec.json.encode(known).decode())
    return out


def _response(cloud, issuer: str, provider: Row, about: dict[str, list[str]], now: float) -> Element:
    recipient, user = provider["sp_url"], about["openstack_user"][0]
    start, until = moment(now), moment(now + cloud.settings.federation.assertion_seconds)

    def named_issuer() -> Element:
        return made("saml:Issuer", issuer, Format=ENTITY)

    data = made("saml:SubjectConfirmationData", NotOnOrAfter=until, Recipient=recipient)
    context = made(
        "saml:AuthnContext",
        made("saml:AuthnContextClassRef", PASSWORD),
        made("saml:AuthenticatingAuthority", issuer),
    )
    session = {"AuthnInstant": start, "SessionIndex": uuid.uuid4().hex, "SessionNotOnOrAfter": until}
    attributes = [
        made("saml:Attribute", *(made("saml:AttributeValue", value) for value in values), Name=said)
        for said, values in about.items()
    ]
    unsigned = made(
        "saml:Assertion",
        named_issuer(),
        made("ds:Signature", Id="placeholder"),
        made(
            "saml:Subject", made("saml:NameID", user), made("saml:SubjectConfirmation", data, Method=BEARER)
        ),
        made("saml:Conditions", NotBefore=start, NotOnOrAfter=until),
        made("saml:AuthnStatement", context, **session),
        made("saml:AttributeStatement", *attributes),
        ID=new_id(),
        Version="2.0",
        IssueInstant=start,
    )
    return made(
        "samlp:Response",
        named_issuer(),
        made("samlp:Status", made("samlp:StatusCode", Value=SUCCESS)),
        _signed(cloud, unsigned),
        ID=new_id(),
        Version="2.0",
        IssueInstant=start,
        Destination=recipient,
    )


def _signed(cloud, element: Element) -> Element:
    """The element with a signature in the place kept for it."""
    from signxml import CanonicalizationMethod, XMLSigner

    key, certificate = keys.pair(cloud.state)
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    return signer.sign(
        element, key=key, cert=certificate, reference_uri=element.get("ID"), id_attribute="ID"
    )
