"""Policies: texts that an operator leaves with identity for other services to fetch.

Nothing here reads them. What callers may do is decided by each service's rules (see monostack.kit.policy);
tools of an earlier day keep their rules here, and find them again.

Source: identity API reference, "Policies"; what a current identity service answers.
"""

from __future__ import annotations

from typing import Any

from monostack.identity import removal
from monostack.identity.attributes import asked_for, bad, change, invented, missing, refusing, show, show_all
from monostack.identity.wire import page, self_link
from monostack.kit import ids
from monostack.kit.db import JSON, Column, Db, Row, String, Table, Text, Tx, Values, stamps
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, Field, Route

LONGEST_TYPE = 255
POLICIES = Table(
    "identity_policies",
    Column("type", String(LONGEST_TYPE)),
    Column("blob", Text),
    Column("extra", JSON),
    *stamps(),
    id=ids.new_hex,
)
KNOWN = frozenset(("type", "blob"))
SHOWN = (
    Field("id"),
    Field("type", filter=True),
    Field("blob"),
    Field("links", self_link("policies")),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, POLICIES, request)
    return request.list("policies", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"policy": show(request, SHOWN, find(db, request.path["policy_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "policy")
    for name in ("blob", "type"):
        if name not in asked:
            raise bad(f"'{name}' is a required property of a policy.")
    values = _checked(asked)
    row = tx.insert(POLICIES, extra=invented(asked, KNOWN), **values)
    return {"policy": show(request, SHOWN, row)}


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "policy")
    row = find(tx, request.path["policy_id"])
    change(tx, row, asked, KNOWN, **_checked(asked))
    return {"policy": show(request, SHOWN, row)}


def _checked(asked: dict[str, Any]) -> Values:
    """The type and the blob as far as they were sent; raises Error 400."""
    values: Values = {name: asked[name] for name in ("blob", "type") if name in asked}
    for name, value in values.items():
        if not isinstance(value, str):
            raise bad(f"Invalid input for field '{name}': {value!r} is not of type 'string'")
    if len(values.get("type", "")) > LONGEST_TYPE:
        raise bad(f"Invalid input for field 'type': it is longer than {LONGEST_TYPE} characters.")
    return values


def delete(request: Request, tx: Tx) -> None:
    removal.policy(tx, find(tx, request.path["policy_id"]))


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(POLICIES, id=id, missing=missing("policy", id))


ONE = "/policies/{policy_id}"
MADE, CHANGED, GONE = (f"identity.policy.{verb}" for verb in ("created", "updated", "deleted"))

mixed_up = refusing("A policy is made by POST /v3/policies, and changed or deleted as /v3/policies/{its id}.")

ROUTES = (
    Route("GET", "/policies", index, "identity:list_policies", fields=SHOWN),
    Route("POST", "/policies", create, "identity:create_policy", event=MADE),
    Route("GET", ONE, show_one, "identity:get_policy"),
    Route("PATCH", ONE, update, "identity:update_policy", event=CHANGED),
    Route("DELETE", ONE, delete, "identity:delete_policy", event=GONE),
    Route("PATCH", "/policies", mixed_up, ANYONE),
    Route("DELETE", "/policies", mixed_up, ANYONE),
    Route("POST", ONE, mixed_up, ANYONE),
)
