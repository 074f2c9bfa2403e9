"""Flavors: the sizes that servers come in, and which projects may use them.

A server keeps its own copy of the flavor it was made from, so that an operator may delete or change a
flavor without touching anybody's server. The list is short on every cloud; filters, sorting and pages are
therefore done here and not in SQL, and extra specs and the projects with access are columns of the flavor.

The flavors of the first start are those of the guides (m1.tiny to m1.xlarge), and m1.nano, into which a
small Linux still fits.

Source: compute API reference, "Flavors", "Flavors access" and "Flavors extra-specs".
"""

from typing import Any

from monostack.kit.db import JSON, Boolean, Column, Float, Integer, String, Table, Text, Unique, stamps
from monostack.kit.db.rows import Page
from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid
from monostack.kit.resource import ANYONE, Field, Response, Route
from monostack.kit.wire import boolean

FLAVORS = Table(
    "compute_flavors",
    Column("id", String(255), primary_key=True, nullable=False),
    Column("name", String(255)),
    Column("ram", Integer),
    Column("vcpus", Integer),
    Column("disk", Integer),
    Column("ephemeral", Integer),
    Column("swap", Integer),
    Column("rxtx_factor", Float),
    Column("is_public", Boolean),
    Column("disabled", Boolean),
    Column("description", Text),
    Column("extra_specs", JSON),
    Column("projects", JSON),
    *stamps(),
    Unique("name"),
)

MADE = Table("compute_made_at_first_start", Column("name", String(64), primary_key=True, nullable=False))

FIRST_FLAVORS = (
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 1, 20),
    ("3", "m1.medium", 4096, 2, 40),
    ("4", "m1.large", 8192, 4, 80),
    ("5", "m1.xlarge", 16384, 8, 160),
    ("42", "m1.nano", 96, 1, 1),
)

MANAGE = "os_compute_api:os-flavor-manage:"
SPECS = "os_compute_api:os-flavor-extra-specs:"
ACCESS = "os_compute_api:os-flavor-access"


def links(row, request) -> list[dict[str, str]]:
    base = request.base
    return [
        {"rel": "self", "href": f"{base}/v2.1/flavors/{row['id']}"},
        {"rel": "bookmark", "href": f"{base}/flavors/{row['id']}"},
    ]


LISTED = (
    Field("id"),
    Field("name"),
    Field("links", links),
    Field("description", since=(2, 55)),
)
SHOWN = (
    Field("id"),
    Field("name"),
    Field("ram"),
    Field("disk"),
    Field("swap", lambda row: row["swap"] or "", until=(2, 74)),
    Field("swap", since=(2, 75)),
    Field("OS-FLV-EXT-DATA:ephemeral", "ephemeral"),
    Field("OS-FLV-DISABLED:disabled", "disabled"),
    Field("vcpus"),
    Field("os-flavor-access:is_public", "is_public"),
    Field("rxtx_factor", until=(2, 101)),
    Field("links", links),
    Field("description", since=(2, 55)),
    Field("extra_specs", since=(2, 61), rule=SPECS + "index"),
)
SORT_COLUMNS = {
    "flavorid": "id",
    "id": "id",
    "name": "name",
    "memory_mb": "ram",
    "vcpus": "vcpus",
    "root_gb": "disk",
    "ephemeral_gb": "ephemeral",
    "swap": "swap",
    "rxtx_factor": "rxtx_factor",
    "is_public": "is_public",
    "disabled": "disabled",
    "description": "description",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "vcpu_weight": "vcpus",
}


# What others ask


def find(db, caller, flavor_id: str, code: int = 404):
    """The flavor of that id, if the caller may use it."""
    row = db.one(FLAVORS, id=flavor_id)
    if row is None or not (caller.admin or _usable(row, caller)):
        raise Error(code, "FlavorNotFound", f"Flavor {flavor_id} could not be found.")
    return row


def copy(row) -> dict[str, Any]:
    """What a server keeps of its flavor, as it shows it."""
    return {
        "vcpus": row["vcpus"],
        "ram": row["ram"],
        "disk": row["disk"],
        "ephemeral": row["ephemeral"],
        "swap": row["swap"],
        "original_name": row["name"],
        "extra_specs": row["extra_specs"] or {},
    }


def bootstrap(tx, cloud) -> None:
    """The flavors of the first start; an operator who deletes them does not get them back."""
    if tx.one(MADE, name="flavors") is not None:
        return
    tx.insert(MADE, name="flavors")
    for flavor_id, name, ram, vcpus, disk in FIRST_FLAVORS:
        _insert(tx, id=flavor_id, name=name, ram=ram, vcpus=vcpus, disk=disk)


# Flavors


def index(request, db) -> dict:
    page = _page(request, db)
    return request.list("flavors", request.render_all(LISTED, page), page)


def detail(request, db) -> dict:
    page = _page(request, db)
    return request.list("flavors", request.render_all(SHOWN, page), page)


def show(request, db) -> dict:
    return {"flavor": request.render(SHOWN, find(db, request.caller, request.path["id"]))}


def create(request, tx) -> dict:
    asked = request.body["flavor"]
    given = asked.get("id")
    row = _insert(
        tx,
        id=new_uuid() if given is None else str(given),
        name=asked["name"],
        ram=int(asked["ram"]),
        vcpus=int(asked["vcpus"]),
        disk=int(asked["disk"]),
        ephemeral=int(asked.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        swap=int(asked.get("swap", 0)),
        rxtx_factor=float(asked.get("rxtx_factor", 1.0)),
        is_public=boolean(str(asked.get("os-flavor-access:is_public", True))),
        description=asked.get("description"),
    )
    request.subject = row["id"]
    return {"flavor": request.render(SHOWN, row)}


def update(request, tx) -> dict:
    row = find(tx, request.caller, request.path["id"])
    tx.set(row, description=request.body["flavor"]["description"])
    return {"flavor": request.render(SHOWN, row)}


def delete(request, tx) -> None:
    tx.delete(find(tx, request.caller, request.path["id"]))


# Extra specs


def specs_index(request, db) -> dict:
    return {"extra_specs": find(db, request.caller, request.path["id"])["extra_specs"] or {}}


def specs_show(request, db) -> dict:
    row, key = find(db, request.caller, request.path["id"]), request.path["key"]
    return {key: _spec(row, key)}


def specs_create(request, tx) -> dict:
    row = find(tx, request.caller, request.path["id"])
    new = {key: str(value) for key, value in request.body["extra_specs"].items()}
    tx.set(row, extra_specs=(row["extra_specs"] or {}) | new)
    return {"extra_specs": new}


def specs_update(request, tx) -> dict:
    row, key = find(tx, request.caller, request.path["id"]), request.path["key"]
    if key not in request.body:
        raise Error(400, "BadRequest", "Request body and URI mismatch")
    value = str(request.body[key])
    tx.set(row, extra_specs=(row["extra_specs"] or {}) | {key: value})
    return {key: value}


def specs_delete(request, tx) -> None:
    row, key = find(tx, request.caller, request.path["id"]), request.path["key"]
    _spec(row, key)
    tx.set(row, extra_specs={name: value for name, value in row["extra_specs"].items() if name != key})


def _spec(row, key: str) -> str:
    value = (row["extra_specs"] or {}).get(key)
    if value is None:
        raise Error(404, "FlavorExtraSpecsNotFound", f"Flavor {row['id']} has no extra specs with key {key}.")
    return value


# Access of projects to flavors that are not public


def access_index(request, db) -> dict:
    row = find(db, request.caller, request.path["id"])
    if row["is_public"]:
        raise Error(404, "NotFound", "Access list not available for public flavors.")
    return _access(row)


def access_add(request, tx) -> dict:
    row = find(tx, request.caller, request.path["id"])
    project_id = request.body["addTenantAccess"]["tenant"]
    if row["is_public"]:
        raise Error(409, "Conflict", "Can not add access to a public flavor.")
    _demand_project(tx, project_id)
    if project_id in (row["projects"] or ()):
        raise Error(
            409,
            "FlavorAccessExists",
            f"Flavor access already exists for flavor {row['id']} and project {project_id} combination.",
        )
    tx.set(row, projects=sorted([*(row["projects"] or ()), project_id]))
    return _access(row)


def access_remove(request, tx) -> dict:
    row = find(tx, request.caller, request.path["id"])
    project_id = request.body["removeTenantAccess"]["tenant"]
    _demand_project(tx, project_id)
    if project_id not in (row["projects"] or ()):
        raise Error(
            404,
            "FlavorAccessNotFound",
            f"Flavor access not found for {row['id']} / {project_id} combination.",
        )
    tx.set(row, projects=[name for name in row["projects"] if name != project_id])
    return _access(row)


def _access(row) -> dict:
    return {"flavor_access": [{"flavor_id": row["id"], "tenant_id": name} for name in row["projects"] or ()]}


def _demand_project(db, project_id: str) -> None:
    if not db.cloud.has("identity"):
        return
    from monostack import identity

    if identity.project(db, project_id) is None:
        raise Error(400, "BadRequest", f"Project ID {project_id} is not a valid project.")


# Rows


def _insert(
    tx,
    *,
    id: str,
    name: str,
    ram: int,
    vcpus: int,
    disk: int,
    ephemeral: int = 0,
    swap: int = 0,  # noqa: A002
    rxtx_factor: float = 1.0,
    is_public: bool = True,
    description: str | None = None,
):
    if tx.one(FLAVORS, id=id) is not None:
        raise Error(409, "FlavorIdExists", f"Flavor with ID {id} already exists.")
    return tx.insert(
        FLAVORS,
        id=id,
        name=name,
        ram=ram,
        vcpus=vcpus,
        disk=disk,
        ephemeral=ephemeral,
        swap=swap,
        rxtx_factor=rxtx_factor,
        is_public=is_public,
        disabled=False,
        description=description,
        extra_specs={},
        projects=[],
        taken=Error(409, "FlavorExists", f"Flavor with name {name} already exists."),
    )


def _usable(row, caller) -> bool:
    return row["is_public"] or caller.project_id in (row["projects"] or ())


def _page(request, db) -> Page:
    """What the query asks for, of the flavors that the caller may see."""
    rows = [row for row in db.all(FLAVORS) if _wanted(row, request)]
    keys = [SORT_COLUMNS[key] for key in request.query_all("sort_key") if key in SORT_COLUMNS] or ["id"]
    directions = request.query_all("sort_dir")
    rows.sort(key=lambda row: row["id"])
    for position in reversed(range(len(keys))):
        direction = directions[position] if position < len(directions) else "asc"
        rows.sort(
            key=lambda row, key=keys[position]: (row[key] is not None, row[key]), reverse=direction == "desc"
        )
    marker = request.query.get("marker")
    if marker is not None:
        ids = [row["id"] for row in rows]
        if marker not in ids:
            raise request.service.wire.marker_missing(request, marker)
        rows = rows[ids.index(marker) + 1 :]
    page = Page(rows)
    page.limit = request.service.wire.limit(request)
    if page.limit is not None:
        del page[page.limit :]
    return page


def _wanted(row, request) -> bool:
    query, caller = request.query, request.caller
    for parameter, column in (("minRam", "ram"), ("minDisk", "disk")):
        text = query.get(parameter)
        if text is None:
            continue
        if not text.isdigit():
            raise Error(400, "BadRequest", f"Invalid {parameter} filter [{text}]")
        if row[column] < int(text):
            return False
    if not caller.admin:
        return _usable(row, caller) and not row["disabled"]
    public = _asked_public(query.get("is_public"))
    if public is None:
        return True
    return _usable(row, caller) if public else not row["is_public"]


def _asked_public(text: str | None) -> bool | None:
    if text is None:
        return True
    if text.lower() == "none":
        return None
    try:
        return boolean(text)
    except ValueError:
        raise Error(400, "BadRequest", f"Invalid is_public filter [{text}]") from None


def _empty(handler):
    """A handler that answers nothing but its status."""

    def answer(request, tx) -> Response:
        handler(request, tx)
        return Response(200)

    return answer


ROUTES = (
    Route("GET", "/flavors", index, ANYONE, query="flavors.index"),
    Route("GET", "/flavors/detail", detail, ANYONE, query="flavors.detail"),
    Route(
        "POST",
        "/flavors",
        create,
        MANAGE + "create",
        ok=200,
        body="flavors.create",
        event="compute.flavor.create",
    ),
    Route("GET", "/flavors/{id}", show, ANYONE, query="flavors.show"),
    Route(
        "PUT",
        "/flavors/{id}",
        update,
        MANAGE + "update",
        body="flavors.update",
        since=(2, 55),
        event="compute.flavor.update",
    ),
    Route("DELETE", "/flavors/{id}", delete, MANAGE + "delete", ok=202, event="compute.flavor.delete"),
    Route(
        "GET", "/flavors/{id}/os-extra_specs", specs_index, SPECS + "index", query="flavors_extraspecs.index"
    ),
    Route(
        "POST",
        "/flavors/{id}/os-extra_specs",
        specs_create,
        SPECS + "create",
        ok=200,
        body="flavors_extraspecs.create",
        event="compute.flavor.update",
    ),
    Route(
        "GET",
        "/flavors/{id}/os-extra_specs/{key}",
        specs_show,
        SPECS + "show",
        query="flavors_extraspecs.show",
    ),
    Route(
        "PUT",
        "/flavors/{id}/os-extra_specs/{key}",
        specs_update,
        SPECS + "update",
        body="flavors_extraspecs.update",
        event="compute.flavor.update",
    ),
    Route(
        "DELETE",
        "/flavors/{id}/os-extra_specs/{key}",
        _empty(specs_delete),
        SPECS + "delete",
        ok=200,
        event="compute.flavor.update",
    ),
    Route("GET", "/flavors/{id}/os-flavor-access", access_index, ACCESS, query="flavor_access.index"),
    Route(
        "POST",
        "/flavors/{id}/action",
        access_add,
        ACCESS + ":add_tenant_access",
        action="addTenantAccess",
        ok=200,
        body="flavor_access.add_tenant_access",
        event="compute.flavor.update",
    ),
    Route(
        "POST",
        "/flavors/{id}/action",
        access_remove,
        ACCESS + ":remove_tenant_access",
        action="removeTenantAccess",
        ok=200,
        body="flavor_access.remove_tenant_access",
        event="compute.flavor.update",
    ),
)
