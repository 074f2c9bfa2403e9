"""A server's metadata: the user's own keys and values, which the guest can read too.

Source: compute API reference, "Server metadata"; where a server may be changed is the contract's table of
states.
"""

from __future__ import annotations

from typing import Any

from monostack.compute import quotas
from monostack.compute.servers import rows, verbs
from monostack.compute.servers.verbs import ANY, Verb
from monostack.kit.errors import Error
from monostack.kit.resource import Route

RULE = "os_compute_api:server-metadata:"
SETTLED = ("active", "paused", "stopped", "suspended")
UPDATE = Verb("update_instance_metadata", SETTLED, "", "", over=ANY)
DELETE = Verb("delete_instance_metadata", SETTLED, "", "", over=ANY)


def index(request, db) -> dict[str, Any]:
    return {"metadata": rows.find(db, request)["metadata"]}


def show(request, db) -> dict[str, Any]:
    key = request.path["key"]
    return {"meta": {key: _item(rows.find(db, request), key)}}


def create(request, tx) -> dict[str, Any]:
    """Add to what is there."""
    row = rows.find(tx, request)
    return {"metadata": _set(request, tx, row, row["metadata"] | request.body["metadata"])}


def update_all(request, tx) -> dict[str, Any]:
    """Replace what is there."""
    return {"metadata": _set(request, tx, rows.find(tx, request), request.body["metadata"])}


def update(request, tx) -> dict[str, Any]:
    row, key, asked = rows.find(tx, request), request.path["key"], request.body["meta"]
    if key not in asked:
        raise Error(400, "BadRequest", "Request body and URI mismatch")
    _set(request, tx, row, row["metadata"] | asked)
    return {"meta": asked}


def delete(request, tx) -> None:
    row, key = rows.find(tx, request), request.path["key"]
    _item(row, key)
    verbs.demand(DELETE, row, request.caller)
    tx.set(row, metadata={name: value for name, value in row["metadata"].items() if name != key})


def _set(request, tx, row, metadata: dict[str, str]) -> dict[str, str]:
    verbs.demand(UPDATE, row, request.caller)
    quotas.check_metadata(tx, row["project_id"], metadata)
    tx.set(row, metadata=metadata)
    return metadata


def _item(row, key: str) -> str:
    if key not in row["metadata"]:
        raise Error(404, "NotFound", "Metadata item was not found")
    return row["metadata"][key]


def _route(method: str, path: str, handler, rule: str, **options) -> Route:
    if method != "GET":
        options["event"] = "compute.instance.update_metadata"
    return Route(method, "/servers/{id}/metadata" + path, handler, RULE + rule, target=rows.target, **options)


ROUTES = (
    _route("GET", "", index, "index", query="server_metadata.index"),
    _route("POST", "", create, "create", ok=200, body="server_metadata.create"),
    _route("PUT", "", update_all, "update_all", body="server_metadata.update_all"),
    _route("GET", "/{key}", show, "show", query="server_metadata.show"),
    _route("PUT", "/{key}", update, "update", body="server_metadata.update"),
    _route("DELETE", "/{key}", delete, "delete"),
)
