"""Access tokens: what a consumer may do in a user's name, until it expires or the user takes it away.

Source: RFC 5849, section 2.3; identity API reference, "OS-OAUTH1"; what a current identity service answers.
"""

from __future__ import annotations

import hmac
import secrets

from monostack.identity import removal
from monostack.identity.attributes import missing, show, show_all
from monostack.identity.authentication.verifying import refused
from monostack.identity.credentials import sealing
from monostack.identity.delegation import borrowed
from monostack.identity.oauth1 import request_tokens, signing
from monostack.identity.oauth1.request_tokens import ends, told
from monostack.identity.oauth1.tables import ACCESS_TOKENS, CONSUMERS, NONCES, REQUEST_TOKENS
from monostack.identity.roles import roles
from monostack.identity.tables import ROLES
from monostack.identity.wire import cut, only_post, page
from monostack.kit import clock
from monostack.kit.db import Db, Row, Tx, lt
from monostack.kit.errors import Error
from monostack.kit.loops import Done
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Field, Loop, Response, Route

DAY = 86400


def _links(row: Row, request: Request) -> dict:
    own = f"{request.base}/v3/users/{row['user_id']}/OS-OAUTH1/access_tokens/{row['id']}"
    return {"roles": own + "/roles", "self": own}


SHOWN = (
    Field("id"),
    Field("authorizing_user_id", "user_id"),
    Field("project_id"),
    Field("consumer_id"),
    Field("expires_at", lambda row: row["expires_at"] and clock.micro_z(row["expires_at"])),
    Field("links", _links),
)
ROLE = tuple(field for field in roles.SHOWN if field.name != "description")


def create(request: Request, tx: Tx) -> Response:
    """Trade an authorized request token and its verifier for an access token. It is good for one."""
    signed = signing.read(request)
    consumer_id, token_id = signed.needs("oauth_consumer_key"), signed.needs("oauth_token")
    verifier = request_tokens.digest(signed.needs("oauth_verifier"))
    asked = request_tokens.find(tx, token_id)
    consumer = tx.one(CONSUMERS, id=consumer_id)
    if consumer is None or asked["consumer_id"] != consumer_id:
        raise refused()
    signing.check(tx, signed, *_secrets(tx, consumer, asked))
    if asked["user_id"] is None or not hmac.compare_digest(verifier, asked["verifier_hash"]):
        raise refused()
    secret = secrets.token_hex(16)
    row = tx.insert(
        ACCESS_TOKENS,
        **{name: asked[name] for name in ("consumer_id", "project_id", "user_id", "roles")},
        sealed_secret=sealing.seal(tx, secret),
        expires_at=ends(tx, tx.cloud.settings.identity.access_token_duration),
    )
    tx.delete(asked)
    request.subject = row["id"]
    return told(row, secret)


def used(tx: Tx, request: Request) -> Row:
    """The access token that a signed request is of; raises the refusal."""
    signed = signing.read(request)
    row = tx.one(ACCESS_TOKENS, id=signed.needs("oauth_token"), lock=False)
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= tx.now):
        raise refused()
    if row["consumer_id"] != signed.needs("oauth_consumer_key"):
        raise refused()
    consumer = tx.one(CONSUMERS, id=row["consumer_id"], lock=False, missing=refused())
    signing.check(tx, signed, *_secrets(tx, consumer, row))
    return row


def _secrets(tx: Tx, consumer: Row, token: Row) -> tuple[str, str]:
    return (
        sealing.unseal(tx.cloud, consumer["sealed_secret"]),
        sealing.unseal(tx.cloud, token["sealed_secret"]),
    )


def index(request: Request, db: Db) -> dict:
    borrowed.refuse_all(request)
    found = page(db, ACCESS_TOKENS, request, user_id=request.path["user_id"])
    return request.list("access_tokens", request.render_all(SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    borrowed.refuse_all(request)
    return {"access_token": request.render(SHOWN, _find(request, db))}


def delete(request: Request, tx: Tx) -> None:
    borrowed.refuse_all(request)
    removal.access_token(tx, _find(request, tx))


def roles_of(request: Request, db: Db) -> dict:
    granted = _find(request, db)["roles"]
    found = cut(db.all(ROLES, order="id", id=granted) if granted else [], request)
    return request.list("roles", show_all(request, ROLE, found), found)


def role_of(request: Request, db: Db) -> dict:
    row, role_id = _find(request, db), request.path["role_id"]
    if role_id not in row["roles"]:
        raise missing("role", role_id)
    return {"role": show(request, ROLE, roles.find(db, role_id))}


def _find(request: Request, db: Db) -> Row:
    token_id, user_id = request.path["access_token_id"], request.path["user_id"]
    absent = Error(404, "NotFound", "Access token not found")
    return db.one(ACCESS_TOKENS, id=token_id, user_id=user_id, missing=absent)


def forget(row: None, tx: Tx) -> Done:
    """Drop what has expired by itself; tokens a day later, so that who comes late is told so."""
    tx.delete_all(NONCES, forget_at=lt(tx.now))
    long_ago = clock.from_seconds(tx.cloud.clock.time() - DAY)
    for table in (REQUEST_TOKENS, ACCESS_TOKENS):
        tx.delete_all(table, expires_at=lt(long_ago))
    return Done()


FORGETTING = Loop("identity.oauth1", forget, every=600.0)

ALL = "/users/{user_id}/OS-OAUTH1/access_tokens"
ONE = ALL + "/{access_token_id}"

ROUTES = (
    Route("POST", "/OS-OAUTH1/access_token", create, PUBLIC, event="identity.access_token.created"),
    Route("GET", "/OS-OAUTH1/access_token", only_post, PUBLIC),
    Route("GET", ALL, index, "identity:list_access_tokens"),
    Route("GET", ONE, show_one, "identity:get_access_token"),
    Route(
        "DELETE", ONE, delete, "identity:delete_access_token", event="identity.access_token.deleted"
    ),
    Route("GET", ONE + "/roles", roles_of, "identity:list_access_token_roles"),
    Route("GET", ONE + "/roles/{role_id}", role_of, "identity:get_access_token_role"),
)
