"""The doors of SAML that other clouds and providers use: our metadata, and assertions about our own users.

The library for it is loaded when the first of them is opened.

Source: identity API reference, "OS-FEDERATION", "Retrieve metadata properties", "Generate assertions"."""

from __future__ import annotations

from monostack.identity.federation.sources import NotProved
from monostack.kit.context import Context
from monostack.kit.db import Db
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route


async def assertion(request: Request, ctx: Context) -> Response:
    """A signed assertion about the user of a token, for a service provider."""
    from monostack.identity.federation.saml import vouching

    try:
        return await vouching.assertion(request, ctx)
    except NotProved as reason:
        raise _unspoken(reason) from None


async def envelope(request: Request, ctx: Context) -> Response:
    """The same in the envelope that a program brings to the service provider."""
    from monostack.identity.federation.saml import vouching

    try:
        return await vouching.envelope(request, ctx)
    except NotProved as reason:
        raise _unspoken(reason) from None


async def described(request: Request, ctx: Context) -> Response:
    """This cloud's metadata."""
    from monostack.identity.federation.saml import metadata

    try:
        content = await ctx.cpu(metadata.ours, ctx.cloud)
    except NotProved as reason:
        raise _unspoken(reason) from None
    return Response(200, content, [("Content-Type", "text/xml")])


def only_post(request: Request, db: Db) -> None:
    headers = [("Allow", "POST, OPTIONS")]
    raise Error(405, "MethodNotAllowed", "The method is not allowed for the requested URL.", headers=headers)


def _unspoken(reason: NotProved) -> Error:
    return Error(404, "NotFound", f"This cloud does not speak SAML: {reason}.")


PATH = "/auth/OS-FEDERATION/saml2"
ROUTES = (
    Route("GET", "/OS-FEDERATION/saml2/metadata", described, PUBLIC),
    Route("GET", PATH, only_post, PUBLIC),
    Route("GET", PATH + "/ecp", only_post, PUBLIC),
    Route("POST", PATH, assertion, PUBLIC, ok=200),
    Route("POST", PATH + "/ecp", envelope, PUBLIC, ok=200),
)
