"""Ended tokens, as others may ask about them: the list of revocations, all tokens of a user at once, and
doors of the time when tokens were signed documents.

The list tells what ended tokens lately, for services that validate tokens by themselves; ours needs it only
for single tokens and chains (see tokens). A user ends all his tokens without changing his password: it may
not be his to change. The revocation list of PKI tokens and the certificates to check them with are gone.

Source: identity API reference, "OS-REVOKE", "OS-PKI", "OS-SIMPLE-CERT"; what a current identity service
answers."""

from __future__ import annotations

from typing import NoReturn

from monostack.identity.attributes import bad
from monostack.identity.tables import REVOCATIONS
from monostack.identity.tokens import tokens
from monostack.identity.users import users
from monostack.kit import clock
from monostack.kit.db import Db, Row, Tx, Values, ge
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Route

WHOSE = {
    "user_id": "user_id",
    "project_id": "project_id",
    "domain_id": "domain_id",
    "trust_id": "OS-TRUST:trust_id",
}
"""Columns, and how the list calls them."""


def index(request: Request, db: Db) -> dict:
    """What ended tokens, oldest first."""
    since = request.query.get("since")
    where: Values = {"revoked_at": ge(_moment(since))} if since else {}
    rows = db.all(REVOCATIONS, order=("revoked_at", "id"), **where)
    events = [event for row in rows if row["revoked_at"] for event in _events(row)]
    links = {"next": None, "self": request.base + request.full_path, "previous": None}
    return {"events": events, "links": links}


def _moment(text: str) -> str:
    try:
        return clock.parse(text)
    except ValueError:
        raise bad(f"invalidate date format {text}") from None


def _events(row: Row) -> list[dict]:
    """The events that a row is: a token that took its chain along is two."""
    at = clock.micro_z(row["revoked_at"])
    when = {"issued_before": at, "revoked_at": at}
    whose = {shown: row[column] for column, shown in WHOSE.items() if row[column] is not None}
    if whose:
        return [whose | when]
    events = [{"audit_id": row["audit_id"]} | when]
    if row["chain_id"] is not None:
        events.append({"audit_chain_id": row["chain_id"]} | when)
    return events


def target(request: Request, db: Db) -> dict:
    user_id = request.path["user_id"]
    return {"user_id": user_id} | users.target_of(users.find(db, user_id))


def end_of_user(request: Request, tx: Tx) -> None:
    tokens.end_all(tx, users.find(tx, request.path["user_id"]))


def revoked_list(request: Request, db: Db) -> NoReturn:
    raise Error(403, "Forbidden", "You are not authorized to perform the requested action.")


def certificates(request: Request, db: Db) -> NoReturn:
    words = "This API is no longer available due to the removal of support for PKI tokens."
    raise Error(410, "Gone", words)


ROUTES = (
    Route("GET", "/OS-REVOKE/events", index, "identity:list_revoke_events"),
    Route(
        "DELETE",
        "/users/{user_id}/tokens",
        end_of_user,
        "identity:revoke_tokens_for_user",
        target=target,
        event="identity.user.tokens_ended",
    ),
    Route("GET", "/auth/tokens/OS-PKI/revoked", revoked_list, "identity:revocation_list"),
    Route("GET", "/OS-SIMPLE-CERT/ca", certificates, PUBLIC),
    Route("GET", "/OS-SIMPLE-CERT/certificates", certificates, PUBLIC),
)
