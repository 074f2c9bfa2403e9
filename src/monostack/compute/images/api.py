"""Images in compute's old shape: listed, shown and deleted.

Source: compute API reference, "Images" (deprecated, until 2.35).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monostack.kit import clock
from monostack.kit.db import Db, Page, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import ANYONE, Field, Route

LAST = (2, 35)
STATES = {
    "active": "ACTIVE",
    "queued": "SAVING",
    "saving": "SAVING",
    "deleted": "DELETED",
    "pending_delete": "DELETED",
    "killed": "ERROR",
}
PROGRESS = {"queued": 25, "saving": 50, "active": 100}
NUMBERS = {"minDisk": "min_disk", "minRam": "min_ram"}
PROPERTY = "property-"
SERVER = "instance_uuid"
"""The property by which a snapshot names the server that it was made from."""


def _state(row) -> str:
    return STATES.get(row["status"], "UNKNOWN")


def _links(row, request: Request) -> list[dict[str, str]]:
    cloud, base, place = request.cloud, request.base, f"/images/{row['id']}"
    return [
        {"rel": "self", "href": f"{base}/v2.1{place}"},
        {"rel": "bookmark", "href": base + place},
        {
            "rel": "alternate",
            "type": "application/vnd.openstack.image",
            "href": cloud.root_url(cloud.needed("image")) + place,
        },
    ]


def _server(row, request: Request) -> dict[str, Any] | None:
    server_id = row["properties"].get(SERVER)
    if server_id is None:
        return None
    base, place = request.base, f"/servers/{server_id}"
    links = [{"rel": "self", "href": f"{base}/v2.1{place}"}, {"rel": "bookmark", "href": base + place}]
    return {"id": server_id, "links": links}


def _disk_config(row) -> str | None:
    asked = row["properties"].get("auto_disk_config")
    if asked is None:
        return None
    return "AUTO" if asked.lower() in ("1", "t", "true", "on", "y", "yes") else "MANUAL"


LISTED = (Field("id"), Field("name"), Field("links", _links))
SHOWN = (
    *LISTED,
    Field("minRam", "min_ram"),
    Field("minDisk", "min_disk"),
    Field("metadata", "properties"),
    Field("created", lambda row: clock.z(row["created_at"])),
    Field("updated", lambda row: clock.z(row["updated_at"])),
    Field("status", _state),
    Field("progress", lambda row: PROGRESS.get(row["status"], 0)),
    Field("OS-EXT-IMG-SIZE:size", lambda row: row["size"] or 0),
    Field("server", _server, omit_none=True),
    Field("OS-DCF:diskConfig", _disk_config, omit_none=True),
)


def index(request: Request, db: Db) -> dict[str, Any]:
    found = _page(request, db)
    return request.list("images", request.render_all(LISTED, found), found)


def detail(request: Request, db: Db) -> dict[str, Any]:
    found = _page(request, db)
    return request.list("images", request.render_all(SHOWN, found), found)


def show(request: Request, db: Db) -> dict[str, Any]:
    return {"image": request.render(SHOWN, find(request, db, request.path["id"]))}


def delete(request: Request, tx: Tx) -> None:
    from monostack import image

    image.drop(tx, request.caller, find(request, tx, request.path["id"]))


def find(request: Request, db: Db, image_id: str):
    """The image, if the caller may see it."""
    from monostack import image

    return image.get(db, request.caller, image_id, Error(404, "ImageNotFound", "Image not found."))


def _page(request: Request, db: Db) -> Page:
    from monostack import image

    conditions = _conditions(request)
    seen = image.listed(db, request.caller)
    rows = [row for row in seen if all(fits(row) for fits in conditions)]
    asked = request.paging
    if asked.marker is not None:
        places = [n for n, row in enumerate(rows) if row["id"] == asked.marker]
        if not places:
            raise Error(400, "MarkerNotFound", f"marker [{asked.marker}] not found")
        rows = rows[places[0] + 1 :]
    page = Page(rows if asked.limit is None else rows[: asked.limit])
    page.limit, page.more = asked.limit, len(page) < len(rows)
    return page


def _conditions(request: Request) -> list[Callable[[dict], bool]]:
    """What the query asks of an image; names that are no filter are ignored."""
    found = []
    for name, value in request.query.items():
        if name.startswith(PROPERTY):
            found.append(_by_property(name.removeprefix(PROPERTY), value))
        elif name == "type":
            found.append(_by_property("image_type", value))
        elif name == "server":
            found.append(_by_property(SERVER, value.rpartition("/")[2]))
        elif name == "name":
            found.append(_by_name(value))
        elif name == "status":
            found.append(_by_state(value.upper()))
        elif name == "changes-since":
            found.append(_changed_since(value))
        elif name in NUMBERS:
            found.append(_by_number(NUMBERS[name], value))
    return found


def _by_name(name: str) -> Callable[[dict], bool]:
    return lambda row: row["name"] == name


def _by_number(column: str, value: str) -> Callable[[dict], bool]:
    return lambda row: str(row[column]) == value


def _by_state(state: str) -> Callable[[dict], bool]:
    return lambda row: _state(row) == state


def _by_property(name: str, value: str) -> Callable[[dict], bool]:
    return lambda row: row["properties"].get(name) == value


def _changed_since(text: str) -> Callable[[dict], bool]:
    try:
        moment = clock.parse(text)
    except ValueError:
        raise Error(400, "BadRequest", f"changes-since is '{text}': it must be a time.") from None
    return lambda row: (row["updated_at"] or row["created_at"]) >= moment


ROUTES = (
    Route("GET", "/images", index, ANYONE, until=LAST, query="images.index"),
    Route("GET", "/images/detail", detail, ANYONE, until=LAST, query="images.detail"),
    Route("GET", "/images/{id}", show, ANYONE, until=LAST, query="images.show"),
    Route("DELETE", "/images/{id}", delete, ANYONE, until=LAST, event="compute.image.delete"),
)
