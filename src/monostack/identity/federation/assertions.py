"""Who says something of a caller: a trusted proxy, or the identity provider that this cloud asks itself.

Which of them is heard is the operator's choice for each provider and protocol (sources): a protocol with a
source of its own never believes a header.

Source: federation guide, "Keystone as a Service Provider"; OpenID Connect Core 1.0."""

from __future__ import annotations

from monostack.identity.authentication.verifying import refused
from monostack.identity.federation import proxies, sources
from monostack.identity.federation.language import Assertion
from monostack.identity.federation.sources import Oidc
from monostack.kit.context import Context


async def presented(ctx: Context, idp_id: str, protocol_id: str) -> Assertion:
    """What is said of the caller, by a header of this very request; raises the refusal where nothing is."""
    source = sources.of(ctx.cloud, idp_id, protocol_id)
    said = None
    if source is None:
        said = proxies.assertion(ctx.request)
    elif isinstance(source, Oidc):
        from monostack.identity.federation import openid  # only who uses it pays for it

        said = await openid.bearer(ctx, source)
    if said is None:
        raise refused()
    return said
