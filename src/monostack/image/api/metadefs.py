"""Namespaces of metadata definitions."""

from typing import Any

import sqlalchemy as sa

from monostack.image import definitions
from monostack.image.definitions import OBJECT, PROPERTY, RESOURCE_TYPE, TAG, find, target
from monostack.image.tables import DEFINITIONS, NAMESPACES
from monostack.image.wire import WIRE, bad, conflict
from monostack.kit import clock
from monostack.kit.resource import Field, Route

FIELDS = (
    Field("namespace", sort=True),
    Field("display_name", omit_none=True),
    Field("description", omit_none=True),
    Field("visibility", sort=True),
    Field("protected"),
    Field("owner"),
    Field("created_at", lambda row: clock.z(row["created_at"]), sort=True),
    Field("updated_at", lambda row: clock.z(row["updated_at"]), sort=True),
    Field("self", lambda row: f"/v2/metadefs/namespaces/{row['namespace']}"),
    Field("schema", lambda row: "/v2/schemas/metadefs/namespace"),
)
SETTABLE = ("display_name", "description", "visibility", "protected", "owner")
SEEN = sa.or_(NAMESPACES.c.visibility == "public", NAMESPACES.c.owner == sa.bindparam("me"))
MOST_TYPES = 8


def _for_types(seen):
    """Namespaces that are meant for any of the resource types."""
    types: list[Any] = [sa.bindparam(f"type_{number}") for number in range(MOST_TYPES)]
    meant = sa.exists().where(
        DEFINITIONS.c.namespace == NAMESPACES.c.namespace,
        DEFINITIONS.c.kind == RESOURCE_TYPE,
        DEFINITIONS.c.name.in_(types),
    )
    return sa.and_(meant, seen)


AMONG = {
    (True, False): None,
    (False, False): SEEN,
    (True, True): _for_types(sa.true()),
    (False, True): _for_types(SEEN),
}


def index(request, db):
    where = {}
    if "visibility" in request.query:
        where["visibility"] = request.query["visibility"]
    types = [each for each in request.query.get("resource_types", "").split(",") if each]
    if len(types) > MOST_TYPES:
        raise bad(f"resource_types takes at most {MOST_TYPES} names.")
    values = {f"type_{n}": types[min(n, len(types) - 1)] for n in range(MOST_TYPES)} if types else {}
    values["me"] = request.caller.project_id or ""
    page = db.page(
        NAMESPACES, request, among=AMONG[request.caller.admin, bool(types)], values=values, **where
    )
    last = page[-1]["namespace"] if page and len(page) == page.limit else None
    found = [request.render(FIELDS, row) | _associations(db, row) for row in page]
    return WIRE.collection(
        request, "namespaces", found, "/v2/metadefs/namespaces", "/v2/schemas/metadefs/namespaces", last
    )


def _associations(db, row: dict) -> dict:
    found = [association(each) for each in definitions.of(db, row["namespace"], RESOURCE_TYPE)]
    return {"resource_type_associations": found} if found else {}


def association(row: dict) -> dict:
    """A resource type as its namespace shows it."""
    stamps = {"created_at": clock.z(row["created_at"]), "updated_at": clock.z(row["updated_at"])}
    return {"name": row["name"]} | (row["value"] or {}) | stamps


def show(request, db):
    row = find(request, db)
    name, prefix = row["namespace"], ""
    asked = request.query.get("resource_type")
    if asked is not None:
        prefix = (definitions.one(db, name, RESOURCE_TYPE, asked)["value"] or {}).get("prefix") or ""
    out = request.render(FIELDS, row) | _associations(db, row)
    objects = [each["value"] | {"name": each["name"]} for each in definitions.of(db, name, OBJECT)]
    properties = {prefix + each["name"]: each["value"] for each in definitions.of(db, name, PROPERTY)}
    tags = [{"name": each["name"]} for each in definitions.of(db, name, TAG)]
    return out | {
        key: value
        for key, value in (("objects", objects), ("properties", properties), ("tags", tags))
        if value
    }


def create(request, tx):
    body = request.body
    name = body["namespace"]
    if not name:
        raise bad("A namespace has 1 to 80 characters.")
    values = {key: body[key] for key in SETTABLE if key in body}
    taken = conflict(f"The metadata definition namespace={name} already exists.")
    row = tx.insert(
        NAMESPACES,
        namespace=name,
        taken=taken,
        **({"visibility": "private", "owner": request.caller.project_id} | values),
    )
    _add_all(tx, name, body)
    request.subject = name
    request.response_headers = [("Location", f"{request.base}/v2/metadefs/namespaces/{name}")]
    return request.render(FIELDS, row) | {
        key: body[key]
        for key in ("objects", "properties", "tags", "resource_type_associations")
        if body.get(key)
    }


def _add_all(tx, namespace: str, body: dict) -> None:
    """The definitions that came with a new namespace."""
    for each in body.get("resource_type_associations", ()):
        _add(tx, namespace, RESOURCE_TYPE, each)
    for each in body.get("objects", ()):
        _add(tx, namespace, OBJECT, each)
    for each in body.get("tags", ()):
        _add(tx, namespace, TAG, each)
    for name, value in body.get("properties", {}).items():
        definitions.add(tx, namespace, PROPERTY, _checked(name), value)


def _add(tx, namespace: str, kind: str, each: dict) -> None:
    value = {key: value for key, value in each.items() if key != "name"}
    definitions.add(tx, namespace, kind, _checked(each.get("name")), value)


def _checked(name: str | None) -> str:
    if not name or len(name) > 80:
        raise bad("Every definition has a name of 1 to 80 characters.")
    return name


def update(request, tx):
    row, body = find(request, tx), request.body
    name = body["namespace"]
    if not name:
        raise bad("A namespace has 1 to 80 characters.")
    values = {
        "display_name": None,
        "description": None,
        "visibility": "private",
        "protected": False,
        "owner": row["owner"],
    } | {key: body[key] for key in SETTABLE if key in body}
    if name != row["namespace"]:
        taken = conflict(f"The metadata definition namespace={name} already exists.")
        tx.update(NAMESPACES, {"namespace": row["namespace"]}, namespace=name, taken=taken)
        tx.update(DEFINITIONS, {"namespace": row["namespace"]}, namespace=name)
        row["namespace"] = name
    tx.set(row, **values)
    return request.render(FIELDS, row)


def delete(request, tx):
    row = find(request, tx)
    definitions.unprotected(row, f"namespace {row['namespace']}")
    tx.delete_all(DEFINITIONS, namespace=row["namespace"])
    tx.delete(row)


def resource_types(request, db):
    """Those that everybody knows, then those that somebody's namespace is meant for besides."""
    meant = {row["name"] for row in db.all(DEFINITIONS, kind=RESOURCE_TYPE)}
    names = [*definitions.RESOURCE_TYPES, *sorted(meant - set(definitions.RESOURCE_TYPES))]
    return {"resource_types": [{"name": name} for name in names]}


PATH = "/v2/metadefs/namespaces"
ONE = PATH + "/{namespace}"
EVENT = "image.metadef_namespace."

ROUTES = (
    Route("GET", PATH, index, "get_metadef_namespaces", fields=FIELDS),
    Route(
        "POST",
        PATH,
        create,
        "add_metadef_namespace",
        body="metadef_namespaces.create",
        event=EVENT + "create",
    ),
    Route("GET", ONE, show, "get_metadef_namespace", target=target),
    Route(
        "PUT",
        ONE,
        update,
        "modify_metadef_namespace",
        body="metadef_namespaces.update",
        target=target,
        event=EVENT + "update",
    ),
    Route("DELETE", ONE, delete, "delete_metadef_namespace", target=target, event=EVENT + "delete"),
    Route("GET", "/v2/metadefs/resource_types", resource_types, "list_metadef_resource_types"),
)
