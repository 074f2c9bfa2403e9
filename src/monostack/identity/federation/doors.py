"""The doors through which people come whom an identity provider vouches for.

Programs ask the auth URL of a protocol and get a token; browsers ask a websso URL and are sent on, with a
token in a form, to a dashboard that a setting trusts. A provider that this cloud asks itself is visited in
between.

Source: identity API reference, "OS-FEDERATION", "Web Single Sign On authentication"; what a current identity
service answers."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from monostack.identity.attributes import missing
from monostack.identity.authentication import login
from monostack.identity.authentication.bodies import Login
from monostack.identity.authentication.methods import known
from monostack.identity.authentication.verifying import refused
from monostack.identity.federation import (
    fetch,
    identity_providers,
    mapped,
    pages,
    proxies,
    sealed,
    sources,
)
from monostack.identity.federation.language import Assertion
from monostack.identity.federation.sources import NotProved, Oidc, Saml
from monostack.identity.federation.tables import PROTOCOLS, REMOTE_IDS
from monostack.kit.context import Context
from monostack.kit.db import Db
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

LARGEST = 1 << 20
MINUTES = 10
log = logging.getLogger(__name__)


async def auth(request: Request, ctx: Context) -> Response:
    """A token without a scope, for whoever the assertion in this request is about."""
    idp_id, protocol_id = request.path["idp_id"], request.path["protocol_id"]
    await ctx.read(mapped.is_offered, idp_id, protocol_id)
    source = sources.of(ctx.cloud, idp_id, protocol_id)
    if isinstance(source, Saml):
        return await _by_envelope(request, ctx, source, idp_id, protocol_id)
    return await _log_in(request, ctx, idp_id, protocol_id)


async def _by_envelope(
    request: Request, ctx: Context, source: Saml, idp_id: str, protocol_id: str
) -> Response:
    """A program gets a request for its provider (ECP), or brings what the provider answered."""
    from monostack.identity.federation.saml import arrivals, places, requests

    try:
        if request.method == "POST":
            content = await body(request)
            assertion = await arrivals.program(ctx, source, (idp_id, protocol_id), content)
            return await _log_in(request, ctx, idp_id, protocol_id, assertion)
        if requests.wants_request(request.headers):
            url = places.for_programs(ctx.cloud, idp_id, protocol_id)
            headers = [("Content-Type", requests.PAOS_TYPE), ("Cache-Control", "no-store")]
            return Response(200, requests.by_program(ctx.cloud, url), headers)
    except NotProved as reason:
        raise _nobody(f"{protocol_id} of {idp_id}", reason) from None
    raise refused()


def _nobody(whence: str, reason: Exception) -> Error:
    """The refusal; the log has the reason."""
    log.warning("nobody came by %s: %s", whence, reason)
    return refused()


async def _log_in(
    request: Request, ctx: Context, idp_id: str, protocol_id: str, assertion: Assertion | None = None
) -> Response:
    method = mapped.method_of(protocol_id)
    if method.name not in known.offered(ctx.cloud.settings.identity.methods):
        raise refused()
    asked = mapped.Asked(idp_id, protocol_id, assertion=assertion)
    return await login.answered(request, ctx, Login(((method, asked),), None, {}))


async def body(request: Request) -> bytes:
    """The whole body; raises Error 413."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            raise Error(413, "RequestEntityTooLarge", f"Request is too large: at most {LARGEST} bytes.")
    return content


# browsers


async def websso(request: Request, ctx: Context) -> Response:
    """Send a browser to the dashboard with a token, by way of the provider if it must be asked."""
    idp_id, protocol_id = request.path["idp_id"], request.path["protocol_id"]
    source = sources.of(ctx.cloud, idp_id, protocol_id)
    if isinstance(source, Oidc):
        return await _by_oidc(request, ctx, source, idp_id, protocol_id)
    if isinstance(source, Saml):
        return await _by_saml(request, ctx, source, idp_id, protocol_id)
    origin = _origin(request)
    await ctx.read(mapped.is_offered, idp_id, protocol_id)
    return await _sent_on(request, ctx, idp_id, protocol_id, origin)


async def _by_saml(
    request: Request, ctx: Context, source: Saml, idp_id: str, protocol_id: str
) -> Response:
    from monostack.identity.federation.saml import arrivals, metadata, places, requests

    await ctx.read(mapped.is_offered, idp_id, protocol_id)
    try:
        if request.method == "GET":
            url, origin = places.for_browsers(ctx.cloud, idp_id, protocol_id), _origin(request)
            partner = metadata.partner(ctx.cloud, source)
            return pages.redirect(requests.by_browser(ctx.cloud, partner, url, origin))
        form = dict(parse_qsl((await body(request)).decode("latin-1")))
        assertion, origin = await arrivals.browser(ctx, source, (idp_id, protocol_id), form)
    except NotProved as reason:
        raise _nobody(f"{protocol_id} of {idp_id}", reason) from None
    return await _sent_on(request, ctx, idp_id, protocol_id, origin, assertion)


async def _sent_on(
    request: Request,
    ctx: Context,
    idp_id: str,
    protocol_id: str,
    origin: str,
    assertion: Assertion | None = None,
) -> Response:
    answer = await _log_in(request, ctx, idp_id, protocol_id, assertion)
    token = dict(answer.headers).get("X-Subject-Token")
    return answer if answer.status != 201 or token is None else pages.form(origin, token)


async def _by_oidc(request: Request, ctx: Context, source: Oidc, idp_id: str, protocol_id: str) -> Response:
    from monostack.identity.federation import openid

    await ctx.read(mapped.is_offered, idp_id, protocol_id)
    here = own_url(request) + request.full_path
    try:
        if "state" not in request.query:
            origin = _origin(request)
            target, kept = await fetch.apart(openid.departure, source, here)
            lid = sealed.close(ctx.cloud, here, kept | {"origin": origin}, MINUTES * 60)
            return pages.redirect(target, sealed.cookie(here, lid, MINUTES * 60))
        kept = sealed.open_cookie(request, here)
        if kept is None:
            raise NotProved("the browser brings no cookie of ours")
        now = ctx.cloud.clock.time()
        assertion = await fetch.apart(openid.arrival, source, request.query, kept, here, now)
    except (NotProved, fetch.Unfetched) as reason:
        raise _nobody(f"{protocol_id} of {idp_id}", reason) from None
    answer = await _sent_on(request, ctx, idp_id, protocol_id, kept["origin"], assertion)
    answer.headers.append(("Set-Cookie", sealed.cookie(here, "", 0)))
    return answer


async def websso_of_protocol(request: Request, ctx: Context) -> Response:
    """The same where no provider is named: the proxy tells it, or there is but one, or the user chooses."""
    protocol_id = request.path["protocol_id"]
    said = proxies.assertion(request)
    if said is not None:
        idp_id = await ctx.read(_idp_of, protocol_id, said, ctx.cloud.settings.federation.remote_id_attribute)
        if sources.of(ctx.cloud, idp_id, protocol_id) is None:
            return await _sent_on(request, ctx, idp_id, protocol_id, _origin(request))
    there = [idp_id for idp_id, protocol in sources.all_of(ctx.cloud) if protocol == protocol_id]
    idp_ids = await ctx.read(_enabled, protocol_id, there)
    if not idp_ids:
        raise refused()
    query = urlencode({"origin": _origin(request)})
    choices = {idp_id: f"{own_url(request)}{_websso(idp_id, protocol_id)}?{query}" for idp_id in idp_ids}
    return pages.redirect(choices[idp_ids[0]]) if len(choices) == 1 else pages.choice(choices)


def _idp_of(db: Db, protocol_id: str, said: Assertion, default: str) -> str:
    """The provider that an assertion is of, by its remote id."""
    for row in db.all(PROTOCOLS, id=protocol_id, order="idp_id"):
        remote_ids = said.get(row["remote_id_attribute"] or default)
        if remote_ids:
            words = missing("Identity Provider", remote_ids[0])
            return db.one(REMOTE_IDS, id=remote_ids[0], missing=words)["idp_id"]
    raise refused()


def _enabled(db: Db, protocol_id: str, idp_ids: list[str]) -> list[str]:
    rows = db.all(PROTOCOLS, id=protocol_id, idp_id=idp_ids, order="idp_id")
    return [row["idp_id"] for row in rows if identity_providers.find(db, row["idp_id"])["enabled"]]


def _origin(request: Request) -> str:
    """The dashboard to which the browser wants to go; raises Error 400 or the refusal."""
    origin = request.query.get("origin")
    if not origin:
        raise Error(400, "ValidationError", "Request must have an origin query parameter")
    if origin not in {_lower(url) for url in request.cloud.settings.federation.trusted_dashboards}:
        raise refused()
    return origin


def _lower(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.lower()))


def own_url(request: Request) -> str:
    """Where others reach identity."""
    return request.cloud.settings.federation.public_url.rstrip("/") or request.base


def _websso(idp_id: str, protocol_id: str) -> str:
    return f"/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"


AUTH = "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"
WEBSSO = "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"
ANY = "/auth/OS-FEDERATION/websso/{protocol_id}"
ROUTES: tuple[Any, ...] = (
    *(Route(method, AUTH, auth, PUBLIC, raw=True, ok=201) for method in ("GET", "POST")),
    *(Route(method, WEBSSO, websso, PUBLIC, raw=True, ok=200) for method in ("GET", "POST")),
    *(Route(method, ANY, websso_of_protocol, PUBLIC, raw=True, ok=200) for method in ("GET", "POST")),
)
