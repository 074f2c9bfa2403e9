"""Request tokens: a consumer asks for access to a project, and a user grants it with some of his roles.

The user is told a verifier, which he hands to the consumer; only with it the request token is worth an access
token. It is kept as a digest.

Source: RFC 5849, sections 2.1 and 2.2; identity API reference, "OS-OAUTH1"; what a current identity service
answers.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from typing import Any
from urllib.parse import urlencode

from monostack.identity.attributes import bad
from monostack.identity.authentication import bodies
from monostack.identity.authentication.verifying import refused
from monostack.identity.credentials import sealing
from monostack.identity.delegation import borrowed
from monostack.identity.oauth1 import consumers, signing
from monostack.identity.oauth1.tables import REQUEST_TOKENS
from monostack.identity.projects import projects
from monostack.identity.roles import grants
from monostack.identity.tables import ROLES
from monostack.identity.wire import only_post
from monostack.kit import clock
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

READABLE = "".join(sorted(set(string.ascii_letters + string.digits) - set("jiIl1oO0")))
"""What verifiers are made of: nobody mistakes one of them for another."""


def create(request: Request, tx: Tx) -> Response:
    """Make a request token for the consumer that signed."""
    signed = signing.read(request)
    project_id = request.header("requested-project-id")
    if not project_id:
        raise bodies.lacks("Requested-Project-Id", "request")
    project = projects.find(tx, project_id)
    consumer = consumers.find(tx, signed.needs("oauth_consumer_key"))
    signed.needs("oauth_callback")
    signing.check(tx, signed, sealing.unseal(tx.cloud, consumer["sealed_secret"]))
    secret = secrets.token_hex(16)
    row = tx.insert(
        REQUEST_TOKENS,
        consumer_id=consumer["id"],
        project_id=project["id"],
        sealed_secret=sealing.seal(tx, secret),
        expires_at=ends(tx, tx.cloud.settings.identity.request_token_duration),
    )
    request.subject = row["id"]
    return told(row, secret)


def ends(tx: Tx, seconds: int) -> str | None:
    """The moment so many seconds from now; None for never, where a setting says 0."""
    return clock.from_seconds(tx.cloud.clock.time() + seconds) if seconds else None


def told(row: Row, secret: str) -> Response:
    """A token with its secret, as a consumer is told it: once."""
    pairs = {"oauth_token": row["id"], "oauth_token_secret": secret}
    if row["expires_at"] is not None:
        pairs["oauth_expires_at"] = clock.micro_z(row["expires_at"])
    body = urlencode(pairs, safe=":").encode()
    return Response(201, body, [("Content-Type", "application/x-www-form-urlencoded")])


def authorize(request: Request, tx: Tx) -> dict:
    """Grant access in one's own name; the answer is the verifier."""
    borrowed.refuse_all(request)
    asked = _asked_roles(request.body)
    row = find(tx, request.path["request_token_id"])
    wanted = {_role_id(tx, role) for role in asked}
    project = projects.find(tx, row["project_id"])
    assigned = grants.on_project(tx, request.caller.user_id, project)
    if not wanted.issubset(grants.expanded(assigned, grants.implications(tx))):
        raise refused()
    verifier = "".join(secrets.choice(READABLE) for _ in range(8))
    tx.set(row, user_id=request.caller.user_id, roles=sorted(wanted), verifier_hash=digest(verifier))
    return {"token": {"oauth_verifier": verifier}}


def _asked_roles(body: Any) -> list[dict[str, str]]:
    asked = body.get("roles", []) if isinstance(body, dict) else [] if body is None else None
    if not isinstance(asked, list):
        raise bad("'roles' must be a list.")
    for role in asked:
        if not isinstance(role, dict) or len(role) != 1 or not {"id", "name"} & role.keys():
            raise bad("Each of the 'roles' must be an object with either id or name.")
        if not all(isinstance(value, str) and value.strip() for value in role.values()):
            raise bad("The id or name of a role must be a text.")
    return asked


def _role_id(tx: Tx, asked: dict[str, str]) -> str:
    if "id" in asked:
        return asked["id"]
    absent = Error(404, "NotFound", f"Role {asked['name']} is not defined")
    return tx.one(ROLES, name=asked["name"], domain_id="", lock=False, missing=absent)["id"]


def digest(verifier: str) -> str:
    return hashlib.sha256(verifier.encode()).hexdigest()


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    """The request token; raises Error 404, or the refusal when it has expired."""
    row = db.one(REQUEST_TOKENS, id=id, missing=Error(404, "NotFound", "Request token not found"))
    if row["expires_at"] is not None and row["expires_at"] <= db.now:
        raise refused()
    return row


def only_put(request: Request, db: Db) -> Response:
    return request.service.wire.no_method(request, ["PUT"])


AUTHORIZE = "/OS-OAUTH1/authorize/{request_token_id}"

ROUTES = (
    Route("POST", "/OS-OAUTH1/request_token", create, PUBLIC, event="identity.request_token.created"),
    Route("GET", "/OS-OAUTH1/request_token", only_post, PUBLIC),
    Route(
        "PUT",
        AUTHORIZE,
        authorize,
        "identity:authorize_request_token",
        event="identity.request_token.authorized",
    ),
    Route("GET", AUTHORIZE, only_put, PUBLIC),
)
