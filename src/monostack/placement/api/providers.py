"""Resource providers: whatever has something to give, most often a host.

Providers form trees (a host and its NUMA cells); `root_id` is kept beside `parent_id`, so that a tree is one
indexed read. Filters of the list that ask for room, traits or aggregates are answered by `searching`, which
the allocation candidates use as well.
"""

from monostack.kit import ids
from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.placement import upkeep
from monostack.placement.api import searching
from monostack.placement.tables import ALLOCATIONS, PROVIDERS
from monostack.placement.wire import UNDEFINED, WIRE

LINKS = (
    ((1, 0), "inventories"),
    ((1, 0), "usages"),
    ((1, 1), "aggregates"),
    ((1, 6), "traits"),
    ((1, 11), "allocations"),
)
DUPLICATE = "placement.duplicate_name"


def find(db, provider_id: str) -> dict:
    """The provider of the path; raises 404."""
    return find_id(db, provider_id)


def find_id(db, provider_id: str, missing: Error | None = None) -> dict:
    """The provider of a UUID; raises `missing`, or 404."""
    missing = missing or Error(404, UNDEFINED, f"No resource provider with uuid {provider_id} found")
    if not ids.is_uuid(provider_id):
        raise missing
    return db.one(PROVIDERS, id=ids.canonical(provider_id), missing=missing)


def check_generation(row: dict, asked: int) -> None:
    """Refuse a change that was thought out over an older state."""
    if row["generation"] != asked:
        raise Error(409, "placement.concurrent_update", "resource provider generation conflict")


def bump(tx, row: dict) -> None:
    """Count a change of the provider."""
    tx.set(row, generation=row["generation"] + 1)


def changed_at(row: dict) -> str:
    return row["updated_at"] or row["created_at"]


def view(request, row: dict) -> dict:
    path = f"{request.root}/resource_providers/{row['id']}"
    links = [{"rel": "self", "href": path}]
    links += [{"rel": name, "href": f"{path}/{name}"} for since, name in LINKS if request.version >= since]
    out = {"uuid": row["id"], "name": row["name"], "generation": row["generation"], "links": links}
    if request.version >= (1, 14):
        out |= {"parent_provider_uuid": row["parent_id"], "root_provider_uuid": row["root_id"]}
    return out


def index(request, db):
    rows = searching.providers(request, db)
    WIRE.dated(request, max((changed_at(row) for row in rows), default=None))
    return {"resource_providers": [view(request, row) for row in rows]}


def show(request, db):
    row = find(db, request.path["id"])
    WIRE.dated(request, changed_at(row))
    return view(request, row)


def create(request, tx):
    body = request.body
    uuid = ids.canonical(body["uuid"]) if "uuid" in body else ids.new_uuid()
    if tx.one(PROVIDERS, id=uuid) is not None:
        raise Error(409, DUPLICATE, f"Conflicting resource provider uuid: {uuid} already exists.")
    parent = _parent(tx, body.get("parent_provider_uuid"))
    row = tx.insert(
        PROVIDERS,
        id=uuid,
        name=body["name"],
        generation=0,
        parent_id=parent and parent["id"],
        root_id=parent["root_id"] if parent else uuid,
        taken=_taken(body["name"]),
    )
    request.subject = uuid
    location = ("Location", f"{request.base}/resource_providers/{uuid}")
    if request.version < (1, 20):
        request.response_headers = [location]
        return None
    WIRE.dated(request, changed_at(row))
    request.response_headers = [location, *request.response_headers]
    return view(request, row)


def update(request, tx):
    row, body = find(tx, request.path["id"]), request.body
    if "parent_provider_uuid" in body:
        _move(request, tx, row, body["parent_provider_uuid"])
    tx.set(row, name=body["name"], taken=_taken(body["name"]))
    WIRE.dated(request, changed_at(row))
    return view(request, row)


def delete(request, tx):
    row = find(tx, request.path["id"])
    if tx.count(PROVIDERS, parent_id=row["id"]):
        raise Error(
            409,
            "placement.resource_provider.cannot_delete_parent",
            f"Unable to delete parent resource provider {row['id']}: It has child resource providers.",
        )
    if tx.count(ALLOCATIONS, provider_id=row["id"]):
        raise Error(
            409,
            "placement.resource_provider.inuse",
            f"Unable to delete resource provider {row['id']}: Resource provider has allocations.",
        )
    upkeep.forget(tx, row)


def _taken(name: str) -> Error:
    return Error(409, DUPLICATE, f"Conflicting resource provider name: {name} already exists.")


def _parent(tx, parent_id: str | None) -> dict | None:
    if parent_id is None:
        return None
    missing = Error(400, UNDEFINED, f"parent provider UUID '{parent_id}' does not exist.")
    return tx.one(PROVIDERS, id=ids.canonical(parent_id), missing=missing)


def _move(request, tx, row: dict, parent_id: str | None) -> None:
    """Give a provider another parent, and its whole subtree another root."""
    parent = _parent(tx, parent_id)
    if row["parent_id"] == (parent and parent["id"]):
        return
    if row["parent_id"] is not None and request.version < (1, 37):
        raise Error(
            400, UNDEFINED, "A provider that has a parent may get another only from microversion 1.37 on."
        )
    below = _below(tx, row)
    if parent is not None and parent["id"] in below:
        raise Error(400, UNDEFINED, "creating loop in the provider tree is not allowed.")
    root = parent["root_id"] if parent else row["id"]
    tx.set(row, parent_id=parent and parent["id"], root_id=root)
    tx.update(PROVIDERS, {"id": sorted(below)}, root_id=root)


def _below(tx, row: dict) -> set[str]:
    """The provider and all under it."""
    tree = tx.all(PROVIDERS, root_id=row["root_id"])
    found = {row["id"]}
    while True:
        more = {each["id"] for each in tree if each["parent_id"] in found} - found
        if not more:
            return found
        found |= more


RULE = "placement:resource_providers:"

ROUTES = (
    Route("GET", "/resource_providers", index, RULE + "list", query="resource_providers.index"),
    Route("GET", "/resource_providers/{id}", show, RULE + "show"),
    Route(
        "POST",
        "/resource_providers",
        create,
        RULE + "create",
        body="resource_providers.create",
        ok={(1, 20): 200, (1, 0): 201},
        event="placement.resource_provider.create",
    ),
    Route(
        "PUT",
        "/resource_providers/{id}",
        update,
        RULE + "update",
        body="resource_providers.update",
        event="placement.resource_provider.update",
    ),
    Route(
        "DELETE",
        "/resource_providers/{id}",
        delete,
        RULE + "delete",
        event="placement.resource_provider.delete",
    ),
)
