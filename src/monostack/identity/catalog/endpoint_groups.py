"""Endpoint groups: filters over endpoints, by service, region and interface.

What a filter names need not exist: it then fits nothing, until it does.

Source: identity API reference, "OS-EP-FILTER", "Endpoint groups"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity import removal
from monostack.identity.attributes import asked_for, bad, missing
from monostack.identity.catalog.tables import ENDPOINT_GROUPS
from monostack.identity.wire import MALFORMED, page, self_link
from monostack.kit.db import Db, Row, Tx
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

FILTERS = frozenset(("service_id", "region_id", "interface"))
SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("description"),
    Field("filters"),
    Field("links", self_link("OS-EP-FILTER/endpoint_groups")),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, ENDPOINT_GROUPS, request)
    return request.list("endpoint_groups", request.render_all(SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"endpoint_group": request.render(SHOWN, find(db, request.path["endpoint_group_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "endpoint_group")
    if not asked["filters"]:
        raise bad("filters field is required and cannot be empty")
    _check(asked["filters"])
    row = tx.insert(
        ENDPOINT_GROUPS,
        name=asked["name"],
        description=asked.get("description"),
        filters=asked["filters"],
    )
    return {"endpoint_group": request.render(SHOWN, row)}


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "endpoint_group")
    _check(asked.get("filters", {}))
    row = find(tx, request.path["endpoint_group_id"])
    tx.set(row, **{name: asked[name] for name in ("name", "description", "filters") if name in asked})
    tx.ends_tokens()
    return {"endpoint_group": request.render(SHOWN, row)}


def _check(filters: dict) -> None:
    if filters.keys() - FILTERS:
        words = "Expecting to find service_id or region_id or interface in endpoint_group."
        raise bad(MALFORMED.format(words))


def delete(request: Request, tx: Tx) -> None:
    removal.endpoint_group(tx, find(tx, request.path["endpoint_group_id"]))


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(ENDPOINT_GROUPS, id=id, missing=missing("Endpoint Group", id))


ALL, ONE = "/OS-EP-FILTER/endpoint_groups", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"
MADE, CHANGED, GONE = (f"identity.endpoint_group.{verb}" for verb in ("created", "updated", "deleted"))

ROUTES = (
    Route("GET", ALL, index, "identity:list_endpoint_groups", query="endpoint_groups.index", fields=SHOWN),
    Route("POST", ALL, create, "identity:create_endpoint_group", body="endpoint_groups.create", event=MADE),
    Route("GET", ONE, show_one, "identity:get_endpoint_group"),
    Route(
        "PATCH", ONE, update, "identity:update_endpoint_group", body="endpoint_groups.update", event=CHANGED
    ),
    Route("DELETE", ONE, delete, "identity:delete_endpoint_group", event=GONE),
)
