"""Endpoints of the catalogue: where a service answers in a region, for whom.

`region` is the old name of `region_id`: an endpoint made with it makes the region, too.

Source: identity API reference, "Service catalog and endpoints"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity import removal
from monostack.identity.attributes import asked_for, bad, change, invented, missing, show, show_all
from monostack.identity.catalog.catalog import PLACE
from monostack.identity.tables import ENDPOINTS, REGIONS, SERVICES
from monostack.identity.wire import MALFORMED, page, self_link
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

KNOWN = frozenset(("service_id", "interface", "region_id", "region", "url", "enabled"))
PLACES = frozenset(("project_id", "tenant_id", "user_id"))
SHOWN = (
    Field("id"),
    Field("interface", filter=True),
    Field("region_id", filter=True),
    Field("service_id", filter=True),
    Field("url"),
    Field("enabled"),
    Field("region", "region_id"),
    Field("links", self_link("endpoints")),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, ENDPOINTS, request)
    return request.list("endpoints", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"endpoint": show(request, SHOWN, find(db, request.path["endpoint_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "endpoint")
    _check(tx, asked, "create")
    row = tx.insert(
        ENDPOINTS,
        service_id=asked["service_id"],
        interface=asked["interface"],
        url=asked["url"],
        region_id=_region(tx, asked),
        enabled=asked.get("enabled", True),
        extra=invented(asked, KNOWN),
    )
    tx.ends_tokens()
    return {"endpoint": show(request, SHOWN, row)}


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "endpoint")
    row = find(tx, request.path["endpoint_id"])
    _check(tx, asked, "update")
    placed = "region_id" in asked or "region" in asked
    place: Values = {"region_id": _region(tx, asked)} if placed else {}
    change(tx, row, asked, KNOWN, **place)
    tx.ends_tokens()
    return {"endpoint": show(request, SHOWN, row)}


def _check(tx: Tx, asked: dict, verb: str) -> None:
    if "service_id" in asked and tx.one(SERVICES, id=asked["service_id"]) is None:
        raise bad(MALFORMED.format("Expecting to find endpoint service_id in service table."))
    url = asked.get("url", "")
    left = PLACE.sub("", url)
    if any(name not in PLACES for name in PLACE.findall(url)) or "$(" in left or "%(" in left:
        raise bad(f"Cannot {verb} an endpoint with an invalid URL: {url}.")


def _region(tx: Tx, asked: dict) -> str | None:
    region_id = asked.get("region_id")
    if region_id is None and asked.get("region"):
        region_id = asked["region"]
        if tx.one(REGIONS, id=region_id) is None:
            tx.insert(REGIONS, id=region_id, description="", extra={})
    if region_id is not None and tx.one(REGIONS, id=region_id) is None:
        raise bad(MALFORMED.format("Expecting to find endpoint region_id in region table."))
    return region_id


def delete(request: Request, tx: Tx) -> None:
    removal.endpoint(tx, find(tx, request.path["endpoint_id"]))


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(ENDPOINTS, id=id, missing=missing("endpoint", id))


ROUTES = (
    Route("GET", "/endpoints", index, "identity:list_endpoints", query="endpoints.index", fields=SHOWN),
    Route(
        "POST",
        "/endpoints",
        create,
        "identity:create_endpoint",
        body="endpoints.create",
        event="identity.endpoint.created",
    ),
    Route("GET", "/endpoints/{endpoint_id}", show_one, "identity:get_endpoint"),
    Route(
        "PATCH",
        "/endpoints/{endpoint_id}",
        update,
        "identity:update_endpoint",
        body="endpoints.update",
        event="identity.endpoint.updated",
    ),
    Route(
        "DELETE",
        "/endpoints/{endpoint_id}",
        delete,
        "identity:delete_endpoint",
        event="identity.endpoint.deleted",
    ),
)
