"""Logging in by the word of a proxy in front of us, which authenticated the user by its own means.

The proxy names the user, and the domain if it is not Default, in headers. They count only from addresses that
a setting names; there is none by default. The proxy must take such headers away from what its own clients
send.

Source: identity administration guide, "Using external authentication with Keystone"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import naming, proxies
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import refused
from monostack.kit.context import Context
from monostack.kit.request import Request

NAME = "external"
DEFAULT_DOMAIN = "default"


def trusted(request: Request) -> bool:
    """Whether the request comes from a proxy whose headers are believed: a setting names them."""
    return proxies.believed(request, request.cloud.settings.identity.trusted_proxies)


def read(asked: Any, auth: Mapping[str, Any]) -> None:
    """Nothing of the body counts."""


async def prove(ctx: Context, asked: Any) -> Proof:
    settings, request = ctx.cloud.settings.identity, ctx.request
    name = request.header(settings.external_user_header.lower())
    if not trusted(request) or not name:
        raise refused()
    domain_name = request.header(settings.external_domain_header.lower())
    domain = {"name": domain_name} if domain_name else {"id": DEFAULT_DOMAIN}
    user = await ctx.read(naming.user, {"name": name, "domain": domain})
    if user is None:
        raise refused()
    return Proof(user["id"], (NAME,))


def unasked(request: Request) -> bool | None:
    header = request.cloud.settings.identity.external_user_header
    return True if trusted(request) and request.header(header.lower()) else None


METHOD = Method(NAME, read, prove, unasked=unasked)
