"""Consumers: the programs that users may give access to. A secret is told once, when its consumer is made.

Source: identity API reference, "OS-OAUTH1", consumers; what a current identity service answers.
"""

from __future__ import annotations

import secrets
from typing import Any

from monostack.identity import removal
from monostack.identity.attributes import bad, change, invented, refusing, show, show_all
from monostack.identity.credentials import sealing
from monostack.identity.oauth1.tables import CONSUMERS
from monostack.identity.wire import page, self_link
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, Field, Route

KNOWN = frozenset(("description", "secret"))
SHOWN = (
    Field("id"),
    Field("description"),
    Field("links", self_link("OS-OAUTH1/consumers")),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, CONSUMERS, request)
    return request.list("consumers", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"consumer": show(request, SHOWN, find(db, request.path["consumer_id"]))}


def create(request: Request, tx: Tx) -> dict:
    """Make a consumer. Nothing needs to be said of it, not even in a body."""
    asked = _asked(request)
    secret = secrets.token_hex(16)
    row = tx.insert(
        CONSUMERS,
        description=asked.get("description"),
        sealed_secret=sealing.seal(tx, secret),
        extra=invented(asked, KNOWN),
    )
    return {"consumer": show(request, SHOWN, row) | {"secret": secret}}


def update(request: Request, tx: Tx) -> dict:
    asked = _asked(request)
    if not asked:
        raise bad("'consumer' must say what to change: its description, or attributes of your own.")
    if "secret" in asked:
        raise bad("The secret of a consumer cannot be changed: make another consumer.")
    row = find(tx, request.path["consumer_id"])
    change(tx, row, asked, KNOWN)
    return {"consumer": show(request, SHOWN, row)}


def _asked(request: Request) -> dict[str, Any]:
    body = {} if request.body is None else request.body
    asked = body.get("consumer", {}) if isinstance(body, dict) else None
    if not isinstance(asked, dict):
        raise bad("'consumer' must be an object.")
    description = asked.get("description")
    if description is not None and not isinstance(description, str):
        raise bad(f"Invalid input for field 'description': {description!r} is not of type 'string', 'null'")
    return asked


def delete(request: Request, tx: Tx) -> None:
    removal.consumer(tx, find(tx, request.path["consumer_id"]))


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(CONSUMERS, id=id, missing=Error(404, "NotFound", "Consumer not found"))


mixed_up = refusing(
    "A consumer is made by POST /v3/OS-OAUTH1/consumers, and changed or deleted as "
    "/v3/OS-OAUTH1/consumers/{its id}."
)
ALL, ONE = "/OS-OAUTH1/consumers", "/OS-OAUTH1/consumers/{consumer_id}"
MADE, CHANGED, GONE = (f"identity.consumer.{verb}" for verb in ("created", "updated", "deleted"))

ROUTES = (
    Route("GET", ALL, index, "identity:list_consumers"),
    Route("POST", ALL, create, "identity:create_consumer", event=MADE),
    Route("GET", ONE, show_one, "identity:get_consumer"),
    Route("PATCH", ONE, update, "identity:update_consumer", event=CHANGED),
    Route("DELETE", ONE, delete, "identity:delete_consumer", event=GONE),
    Route("PATCH", ALL, mixed_up, ANYONE),
    Route("DELETE", ALL, mixed_up, ANYONE),
    Route("POST", ONE, mixed_up, ANYONE),
)
