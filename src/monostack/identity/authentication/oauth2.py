"""OAuth 2.0's client credentials: an application credential spoken in another tongue.

A client that knows OAuth and not us sends the id and the secret of an application credential, in the header
of basic authentication or in the form, and gets one of our tokens as its access token. It is logged in by
the one login there is. A client that shows a certificate (mutual TLS) needs no secret: a mapping, called
oauth2_mapping unless a setting says otherwise, makes the certificate's names a user. Answers have OAuth's
shapes, refusals too, and an unknown client is refused like a wrong secret.

Source: RFC 6749 sections 2.3.1, 4.4 and 5.2; RFC 8705; identity API reference, "OS-OAUTH2"; what a current
identity service answers."""

from __future__ import annotations

import base64
import binascii
import math
from urllib.parse import parse_qs, unquote_plus

from monostack.identity.authentication import certificates, login
from monostack.identity.authentication.certificates import Certificate
from monostack.identity.federation import language
from monostack.identity.federation.tables import MAPPINGS
from monostack.identity.tables import PROJECTS, USERS
from monostack.identity.tokens import tokens
from monostack.identity.tokens.claims import Claims, new_audit_id
from monostack.kit import clock
from monostack.kit.context import Context
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

GRANT = "client_credentials"
LONGEST_FORM = 16384
NOT_CLIENT = "Client authentication failed."
FORM = "application/x-www-form-urlencoded"
METHOD = "oauth2_credential"
BY_STATUS = {401: "invalid_client", 400: "invalid_request"}
NEVER_KEPT = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class Refused(Exception):
    """A refusal in OAuth's words."""

    def __init__(self, status: int, error: str, words: str) -> None:
        super().__init__(words)
        self.status, self.error = status, error


async def issue(request: Request, ctx: Context) -> Response:
    """An access token for a client's own sake."""
    try:
        form = await _form(request)
        grant = form.get("grant_type")
        if grant is None:
            raise Refused(400, "invalid_request", "The parameter grant_type is required.")
        if grant != GRANT:
            words = f"The parameter grant_type {grant} is not supported."
            raise Refused(400, "unsupported_grant_type", words)
        certificate = certificates.presented(request)
        if certificate is not None:
            return await ctx.read(_with_certificate, request, form.get("client_id"), certificate)
        return await _with_secret(request, ctx, *_client(request, form))
    except Refused as refusal:
        return _refusal(request, refusal.status, refusal.error, str(refusal))


async def _with_secret(request: Request, ctx: Context, client_id: str, secret: str) -> Response:
    """Log in with an application credential."""
    method = "application_credential"
    identity = {"methods": [method], method: {"id": client_id, "secret": secret}}
    request.body = {"auth": {"identity": identity}}
    try:
        answer = await login.issue(request, ctx)
    except Error as refusal:
        raise Refused(refusal.code, BY_STATUS.get(refusal.code, "other_error"), refusal.message) from None
    token = next(value for name, value in answer.headers if name == "X-Subject-Token")
    return granted(request, token, answer.body["token"])


def _with_certificate(db: Db, request: Request, client_id: str | None, certificate: Certificate) -> Response:
    """A token for the user of that id, who is the one that a mapping of the certificate's names speaks of,
    and for his default project. It counts only together with the certificate."""
    user = db.one(USERS, id=client_id) if client_id else None
    mapping = db.one(MAPPINGS, id=db.cloud.settings.identity.oauth2_cert_dn_mapping_id)
    if user is None or mapping is None or not user["default_project_id"]:
        raise Refused(401, "invalid_client", NOT_CLIENT)
    try:
        mapped = language.apply(mapping["rules"], certificate.names, mapping["schema_version"] or "1.0")
    except language.NotMapped:
        raise Refused(401, "invalid_client", NOT_CLIENT) from None
    if not _is(db, user, mapped.user):
        raise Refused(401, "invalid_client", NOT_CLIENT)
    issued = int(db.cloud.clock.time() * 1_000_000)
    audit_id = new_audit_id()
    made = tokens.issue(
        db,
        Claims(
            user_id=user["id"],
            methods=(METHOD,),
            scope="project",
            target_id=user["default_project_id"],
            issued=issued,
            expires=issued + db.cloud.settings.identity.token_seconds * 1_000_000,
            audit_id=audit_id,
            chain_id=audit_id,
            more={"thumbprint": certificate.thumbprint},
        ),
    )
    if made is None:
        raise Refused(401, "invalid_client", NOT_CLIENT)
    return granted(request, *made)


def _is(db: Db, user: Row, mapped: dict) -> bool:
    """Whether whatever the mapping says of somebody is so of the user; it must say his id or his name."""
    domain = db.one(PROJECTS, id=user["domain_id"], is_domain=True)
    said = mapped.get("domain") or {}
    pairs = (
        (mapped.get("id"), user["id"]),
        (mapped.get("name"), user["name"]),
        (mapped.get("email"), (user["extra"] or {}).get("email")),
        (said.get("id"), user["domain_id"]),
        (said.get("name"), domain and domain["name"]),
    )
    named = mapped.get("id") or mapped.get("name")
    return bool(named) and all(asked in (None, "", known) for asked, known in pairs)


def granted(request: Request, token: str, described: dict) -> Response:
    """The access token, and how long it is good for."""
    left = clock.seconds(described["expires_at"].rstrip("Z")) - request.cloud.clock.time()
    body = {"access_token": token, "expires_in": math.ceil(left), "token_type": "Bearer"}
    return Response(200, body, list(NEVER_KEPT))


async def _form(request: Request) -> dict[str, str]:
    """The form in the body, the first value of each name; empty where the body is no form."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LONGEST_FORM:
            raise Refused(413, "invalid_request", f"The form is too large: at most {LONGEST_FORM} bytes.")
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        pairs = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Refused(400, "invalid_request", "The form cannot be read.") from None
    return {name: values[0] for name, values in pairs.items()}


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """The client's id and secret: of the header, or of the form. Raises the refusal where one is missing."""
    scheme, _, given = (request.header("authorization") or "").partition(" ")
    found = form.get("client_id"), form.get("client_secret")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused(401, "invalid_client", NOT_CLIENT) from None
        found = unquote_plus(name), unquote_plus(secret)
    if not found[0] or not found[1]:
        raise Refused(401, "invalid_client", NOT_CLIENT)
    return found[0], found[1]


def only_post(request: Request, db: Db) -> Response:
    return _refusal(request, 405, "other_error", "The method is not allowed for the requested URL.")


def _refusal(request: Request, status: int, error: str, words: str) -> Response:
    headers = list(NEVER_KEPT)
    if status == 401:
        headers.append(("WWW-Authenticate", f'Keystone uri="{request.base}/v3"'))
    return Response(status, {"error": error, "error_description": words}, headers)


PATH = "/OS-OAUTH2/token"
ROUTES = (
    Route("POST", PATH, issue, PUBLIC, raw=True),
    *(Route(method, PATH, only_post, PUBLIC, raw=True) for method in ("GET", "PUT", "PATCH", "DELETE")),
)
