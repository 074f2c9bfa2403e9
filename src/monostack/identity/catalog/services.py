"""Services of the catalogue.

Source: identity API reference, "Service catalog and endpoints".
"""

from __future__ import annotations

from monostack.identity import removal
from monostack.identity.attributes import asked_for, change, invented, missing, show, show_all
from monostack.identity.tables import SERVICES
from monostack.identity.wire import page, self_link
from monostack.kit.db import Db, Row, Tx
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

KNOWN = frozenset(("name", "type", "enabled"))
SHOWN = (
    Field("name", lambda row: row["name"] or ""),
    Field("id"),
    Field("type", filter=True),
    Field("enabled"),
    Field("links", self_link("services")),
)
LISTED = (*SHOWN, Field("name", "name", filter=True))


def index(request: Request, db: Db) -> dict:
    found = page(db, SERVICES, request)
    return request.list("services", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"service": show(request, SHOWN, find(db, request.path["service_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "service")
    row = tx.insert(
        SERVICES,
        name=asked.get("name"),
        type=asked["type"],
        enabled=asked.get("enabled", True),
        extra=invented(asked, KNOWN),
    )
    tx.ends_tokens()
    return {"service": show(request, SHOWN, row)}


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "service")
    row = find(tx, request.path["service_id"])
    change(tx, row, asked, KNOWN)
    tx.ends_tokens()
    return {"service": show(request, SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    removal.service(tx, find(tx, request.path["service_id"]))


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(SERVICES, id=id, missing=missing("service", id))


ROUTES = (
    Route("GET", "/services", index, "identity:list_services", query="services.index", fields=LISTED),
    Route(
        "POST",
        "/services",
        create,
        "identity:create_service",
        body="services.create",
        event="identity.service.created",
    ),
    Route("GET", "/services/{service_id}", show_one, "identity:get_service"),
    Route(
        "PATCH",
        "/services/{service_id}",
        update,
        "identity:update_service",
        body="services.update",
        event="identity.service.updated",
    ),
    Route(
        "DELETE",
        "/services/{service_id}",
        delete,
        "identity:delete_service",
        event="identity.service.deleted",
    ),
)
