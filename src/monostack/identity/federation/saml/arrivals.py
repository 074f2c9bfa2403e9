"""Whoever brings a SAML response, in an envelope or in a browser's form: who he is, once.

Source: SAML 2.0 Profiles, sections 4.1 and 4.2."""

from __future__ import annotations

import base64
import binascii

from monostack.identity.federation import once, sealed
from monostack.identity.federation.language import Assertion
from monostack.identity.federation.saml import metadata, places, requests, responses
from monostack.identity.federation.saml.documents import Element, parsed
from monostack.identity.federation.sources import NotProved, Saml
from monostack.kit.context import Context

Key = tuple[str, str]
"""An identity provider's id and a protocol's."""


async def program(ctx: Context, source: Saml, key: Key, envelope: bytes) -> Assertion:
    """What the response says that a program brings. One that answers no request is good too: another cloud
    sends its users so."""
    url = places.for_programs(ctx.cloud, *key)
    response, relay = requests.opened(envelope)
    kept = sealed.reopen(ctx.cloud, url, relay) if relay else None
    return await _believed(ctx, source, response, url, kept["request"] if kept else None)


async def browser(ctx: Context, source: Saml, key: Key, form: dict[str, str]) -> tuple[Assertion, str]:
    """What the response says that a browser brings, and the dashboard to which it goes."""
    url = places.for_browsers(ctx.cloud, *key)
    kept = sealed.reopen(ctx.cloud, url, form.get("RelayState", ""))
    if kept is None:
        raise NotProved("it answers no request of ours, or too late")
    try:
        response = parsed(base64.b64decode(form.get("SAMLResponse", ""), validate=True))
    except binascii.Error:
        raise NotProved("it is no base64") from None
    return await _believed(ctx, source, response, url, kept["request"]), kept["origin"]


async def _believed(
    ctx: Context, source: Saml, response: Element, url: str, request_id: str | None
) -> Assertion:
    partner = metadata.partner(ctx.cloud, source)
    audience, now = places.entity_id(ctx.cloud), ctx.cloud.clock.time()
    expected = responses.Expected(partner, url, audience, now, request_id)
    said = await ctx.cpu(responses.read, response, expected)
    await ctx.write(once.use, said.key, said.until)
    return said.assertion
