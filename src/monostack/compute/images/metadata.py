"""An image's properties as metadata, in compute's old shape.

Source: compute API reference, "Image metadata" (deprecated, until 2.38).
"""

from __future__ import annotations

from typing import Any

from monostack.compute import quotas
from monostack.compute.images import api
from monostack.kit.db import Db, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, Route

LAST = (2, 38)


def index(request: Request, db: Db) -> dict[str, Any]:
    return {"metadata": _find(request, db)["properties"]}


def show(request: Request, db: Db) -> dict[str, Any]:
    key = request.path["key"]
    return {"meta": {key: _item(_find(request, db), key)}}


def create(request: Request, tx: Tx) -> dict[str, Any]:
    """Add to what is there."""
    row = _find(request, tx)
    return {"metadata": _set(request, tx, row, row["properties"] | request.body["metadata"])}


def update_all(request: Request, tx: Tx) -> dict[str, Any]:
    """Replace what is there."""
    return {"metadata": _set(request, tx, _find(request, tx), request.body["metadata"])}


def update(request: Request, tx: Tx) -> dict[str, Any]:
    row, key, asked = _find(request, tx), request.path["key"], request.body["meta"]
    if key not in asked:
        raise Error(400, "BadRequest", "Request body and URI mismatch")
    _set(request, tx, row, row["properties"] | asked)
    return {"meta": asked}


def delete(request: Request, tx: Tx) -> None:
    row, key = _find(request, tx), request.path["key"]
    _item(row, key)
    _set(request, tx, row, {name: value for name, value in row["properties"].items() if name != key})


def _find(request: Request, db: Db):
    return api.find(request, db, request.path["id"])


def _item(row, key: str) -> str:
    if key not in row["properties"]:
        raise Error(404, "NotFound", "Metadata item was not found")
    return row["properties"][key]


def _set(request: Request, tx: Tx, row, properties: dict[str, str]) -> dict[str, str]:
    from monostack import image

    quotas.check_metadata(tx, request.caller.project_id, properties)
    image.set_properties(tx, request.caller, row, properties)
    return properties


def _route(method: str, path: str, handler, **options) -> Route:
    if method != "GET":
        options["event"] = "compute.image.update_metadata"
    return Route(method, "/images/{id}/metadata" + path, handler, ANYONE, until=LAST, **options)


ROUTES = (
    _route("GET", "", index),
    _route("POST", "", create, ok=200, body="image_metadata.create"),
    _route("PUT", "", update_all, body="image_metadata.update_all"),
    _route("GET", "/{key}", show),
    _route("PUT", "/{key}", update, body="image_metadata.update"),
    _route("DELETE", "/{key}", delete),
)
