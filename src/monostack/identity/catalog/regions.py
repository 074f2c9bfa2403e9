"""Regions: where endpoints are. Their ids are chosen by those who make them.

A region goes with its children, unless one of them still has endpoints.

Source: identity API reference, "Regions"; what a current identity service answers.
"""

from __future__ import annotations

from monostack.identity import removal
from monostack.identity.attributes import (
    asked_for,
    bad,
    change,
    fixed,
    invented,
    missing,
    show,
    show_all,
    taken,
)
from monostack.identity.tables import ENDPOINTS, REGIONS
from monostack.identity.wire import page, self_link
from monostack.kit import ids
from monostack.kit.db import Db, Row, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

KNOWN = frozenset(("description", "parent_region_id"))
SHOWN = (
    Field("id"),
    Field("description", lambda row: row["description"] or ""),
    Field("parent_region_id", filter=True),
    Field("links", self_link("regions")),
)


def index(request: Request, db: Db) -> dict:
    found = page(db, REGIONS, request)
    return request.list("regions", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"region": show(request, SHOWN, find(db, request.path["region_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "region")
    return _insert(request, tx, asked, asked.get("id") or ids.new_hex())


def create_named(request: Request, tx: Tx) -> dict:
    asked, name = asked_for(request, "region"), request.path["region_id"]
    if asked.get("id", name) != name:
        raise bad(f'Conflicting region IDs specified: "{name}" != "{asked["id"]}"')
    return _insert(request, tx, asked, name)


def _insert(request: Request, tx: Tx, asked: dict, name: str) -> dict:
    _check_parent(tx, asked, name)
    row = tx.insert(
        REGIONS,
        taken=taken("region", f"Duplicate ID, {name}."),
        id=name,
        description=asked.get("description") or "",
        parent_region_id=asked.get("parent_region_id"),
        extra=invented(asked, KNOWN),
    )
    return {"region": show(request, SHOWN, row)}


def _check_parent(tx: Tx, asked: dict, name: str) -> None:
    """The parent must exist and must not stand below the region itself."""
    parent_id = asked.get("parent_region_id")
    while parent_id is not None:
        parent = find(tx, parent_id)
        if parent["id"] == name:
            raise Error(
                400,
                "CircularRegionHierarchyError",
                f"The region hierarchy would be circular: {name} would stand below itself.",
            )
        parent_id = parent["parent_region_id"]


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "region")
    fixed(asked, {"id": request.path["region_id"]})
    row = find(tx, request.path["region_id"])
    _check_parent(tx, asked, row["id"])
    change(tx, row, asked, KNOWN)
    return {"region": show(request, SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    family = [find(tx, request.path["region_id"])]
    for row in family:
        family += tx.all(REGIONS, parent_region_id=row["id"])
    names = [row["id"] for row in family]
    if tx.count(ENDPOINTS, region_id=names):
        raise Error(
            403,
            "Forbidden",
            f"Unable to delete region {names[0]} because it or its child regions have associated endpoints.",
        )
    for row in family:
        removal.region(tx, row)


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(REGIONS, id=id, missing=missing("region", id))


ROUTES = (
    Route("GET", "/regions", index, "identity:list_regions", fields=SHOWN),
    Route(
        "POST",
        "/regions",
        create,
        "identity:create_region",
        body="regions.create",
        event="identity.region.created",
    ),
    Route("GET", "/regions/{region_id}", show_one, "identity:get_region"),
    Route(
        "PUT",
        "/regions/{region_id}",
        create_named,
        "identity:create_region",
        body="regions.put",
        ok=201,
        event="identity.region.created",
    ),
    Route(
        "PATCH",
        "/regions/{region_id}",
        update,
        "identity:update_region",
        body="regions.update",
        event="identity.region.updated",
    ),
    Route(
        "DELETE", "/regions/{region_id}", delete, "identity:delete_region", event="identity.region.deleted"
    ),
)
