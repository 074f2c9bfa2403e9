"""A server's tags: words to find it by.

Source: compute API reference, "Server tags", from 2.26 on; a tag that is set again is 204, a new one 201.
"""

from __future__ import annotations

from typing import Any

from monostack.compute.servers import rows
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route

RULE = "os_compute_api:os-server-tags:"
SINCE = (2, 26)
SETTLED = ("active", "paused", "suspended", "stopped")
MOST = 50
LONGEST = 60


def index(request, db) -> dict[str, Any]:
    return {"tags": rows.find(db, request)["tags"] or []}


def show(request, db) -> None:
    _demand(rows.find(db, request), request.path["tag"])


def update_all(request, tx) -> dict[str, Any]:
    row = _changeable(request, tx)
    tags = list(dict.fromkeys(request.body["tags"]))
    tx.set(row, tags=tags)
    return {"tags": tags}


def update(request, tx) -> Response:
    row, tag = _changeable(request, tx), request.path["tag"]
    if len(tag) > LONGEST or "," in tag or "/" in tag:
        raise Error(
            400, "BadRequest", f"Tag '{tag}' is invalid: 1 to {LONGEST} characters, no comma and no slash."
        )
    tags = row["tags"] or []
    if tag in tags:
        return Response(204)
    if len(tags) >= MOST:
        raise Error(400, "BadRequest", f"The number of tags exceeded the per-server limit {MOST}")
    tx.set(row, tags=[*tags, tag])
    return Response(201, headers=[("Location", f"{request.base}/v2.1/servers/{row['id']}/tags/{tag}")])


def delete(request, tx) -> None:
    row, tag = _changeable(request, tx), request.path["tag"]
    _demand(row, tag)
    tx.set(row, tags=[each for each in row["tags"] if each != tag])


def delete_all(request, tx) -> None:
    tx.set(_changeable(request, tx), tags=[])


def _changeable(request, tx) -> Any:
    row = rows.find(tx, request)
    if row["vm_state"] not in SETTLED:
        raise Error(
            409,
            "InstanceInvalidState",
            f"Cannot 'update tags' instance {row['id']} while it is in vm_state {row['vm_state']}",
        )
    return row


def _demand(row, tag: str) -> None:
    if tag not in (row["tags"] or ()):
        raise Error(404, "ServerTagNotFound", f"Server {row['id']} has no tag '{tag}'")


def _route(method: str, path: str, handler, rule: str, **options) -> Route:
    if method != "GET":
        options["event"] = "compute.instance.update_tags"
    return Route(
        method,
        "/servers/{id}/tags" + path,
        handler,
        RULE + rule,
        since=SINCE,
        target=rows.target,
        **options,
    )


ROUTES = (
    _route("GET", "", index, "index", query="server_tags.index"),
    _route("PUT", "", update_all, "update_all", body="server_tags.update_all"),
    _route("DELETE", "", delete_all, "delete_all"),
    _route("GET", "/{tag}", show, "show", ok=204, query="server_tags.show"),
    _route("PUT", "/{tag}", update, "update"),
    _route("DELETE", "/{tag}", delete, "delete"),
)
