"""Inventories: how much of each resource class a provider has to give.

A change names the generation of the provider it was thought out for. What is in use can be neither taken away
nor, by a class's removal, forgotten; shrinking below what is used is allowed (that is how an operator drains)
and only bars more.
"""

from monostack.kit.errors import Error
from monostack.kit.resource import Route
from monostack.placement import upkeep, vocabulary
from monostack.placement.api.providers import bump, changed_at, check_generation, find
from monostack.placement.tables import INVENTORIES
from monostack.placement.wire import UNDEFINED, WIRE

IN_USE = "placement.inventory.inuse"
SHOWN = ("total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio")


def view(row: dict) -> dict:
    return {name: row[name] for name in SHOWN}


def index(request, db):
    provider = find(db, request.path["id"])
    return _all(request, db, provider)


def show(request, db):
    provider = find(db, request.path["id"])
    row = _one(db, provider, request.path["resource_class"])
    WIRE.dated(request, changed_at(row))
    return view(row) | {"resource_provider_generation": provider["generation"]}


def create(request, tx):
    provider, body = find(tx, request.path["id"]), request.body
    if "resource_provider_generation" in body:
        check_generation(provider, body["resource_provider_generation"])
    name = body["resource_class"]
    check(request, tx, provider, name, body)
    taken = Error(
        409,
        UNDEFINED,
        f"Update conflict: Inventory for '{name}' on resource provider '{provider['id']}' already exists.",
    )
    row = tx.insert(
        INVENTORIES,
        provider_id=provider["id"],
        resource_class=name,
        used=0,
        taken=taken,
        **upkeep.inventory(body),
    )
    bump(tx, provider)
    WIRE.dated(request, changed_at(row))
    location = f"{request.base}/resource_providers/{provider['id']}/inventories/{name}"
    request.response_headers = [("Location", location), *request.response_headers]
    return view(row) | {"resource_provider_generation": provider["generation"]}


def replace(request, tx):
    """All inventories of a provider at once."""
    provider, body = find(tx, request.path["id"]), request.body
    check_generation(provider, body["resource_provider_generation"])
    asked = body["inventories"]
    for name, each in asked.items():
        check(request, tx, provider, name, each)
    remove(tx, provider, put(tx, provider, asked))
    bump(tx, provider)
    return _all(request, tx, provider)


def put(tx, provider: dict, asked: dict) -> list:
    """Add and change inventories as asked; those that were not asked for, still there."""
    have = {row["resource_class"]: row for row in tx.all(INVENTORIES, provider_id=provider["id"], lock=True)}
    for name, each in asked.items():
        values = upkeep.inventory(each)
        if name in have:
            tx.set(have[name], **values)
        else:
            tx.insert(INVENTORIES, provider_id=provider["id"], resource_class=name, used=0, **values)
    return [row for name, row in have.items() if name not in asked]


def update(request, tx):
    provider, body = find(tx, request.path["id"]), request.body
    if "resource_provider_generation" not in body:
        raise Error(400, UNDEFINED, "'resource_provider_generation' is a required property")
    check_generation(provider, body["resource_provider_generation"])
    name = request.path["resource_class"]
    check(request, tx, provider, name, body)
    absent = Error(
        400,
        UNDEFINED,
        f"No inventory record with resource class {name} in resource provider "
        f"{provider['id']}: add it with POST.",
    )
    row = tx.one(INVENTORIES, provider_id=provider["id"], resource_class=name, missing=absent)
    tx.set(row, **upkeep.inventory(body))
    bump(tx, provider)
    WIRE.dated(request, changed_at(row))
    return view(row) | {"resource_provider_generation": provider["generation"]}


def delete(request, tx):
    provider = find(tx, request.path["id"])
    row = _one(tx, provider, request.path["resource_class"])
    remove(tx, provider, [row])
    bump(tx, provider)


def delete_all(request, tx):
    provider = find(tx, request.path["id"])
    remove(tx, provider, tx.all(INVENTORIES, provider_id=provider["id"], lock=True))
    bump(tx, provider)


def _all(request, db, provider: dict) -> dict:
    rows = db.all(INVENTORIES, order=("created_at", "resource_class"), provider_id=provider["id"])
    WIRE.dated(request, max((changed_at(row) for row in rows), default=None))
    rows.sort(key=lambda row: vocabulary.place(row["resource_class"]))
    return {
        "resource_provider_generation": provider["generation"],
        "inventories": {row["resource_class"]: view(row) for row in rows},
    }


def _one(db, provider: dict, name: str) -> dict:
    missing = Error(404, UNDEFINED, f"No inventory of class {name} for {provider['id']}")
    return db.one(INVENTORIES, provider_id=provider["id"], resource_class=name, missing=missing)


def remove(tx, provider: dict, rows: list) -> None:
    """Delete inventories that nobody uses; raises 409 if one is in use."""
    used = sorted(row["resource_class"] for row in rows if row["used"])
    if used:
        raise Error(
            409, IN_USE, f"Inventory for '{', '.join(used)}' on resource provider '{provider['id']}' in use."
        )
    for row in rows:
        tx.delete(row)


def check(request, tx, provider: dict, name: str, asked: dict) -> None:
    """Refuse an inventory that cannot be; `asked` fits its schema."""
    if not vocabulary.class_exists(tx, name):
        raise Error(
            400,
            UNDEFINED,
            f"Unknown resource class in inventory for resource provider {provider['id']}: "
            f"No such resource class {name}.",
        )
    values = upkeep.inventory(asked)
    room = values["total"] - values["reserved"]
    if room < 0 or (room == 0 and request.version < (1, 26)):
        words = "greater than or equal to" if request.version < (1, 26) else "greater than"
        raise Error(
            400,
            UNDEFINED,
            f"Unable to update inventory for resource provider {provider['id']}: "
            f"Invalid inventory for '{name}' on resource provider '{provider['id']}'. "
            f"The reserved value is {words} total.",
        )
    if not values["allocation_ratio"] > 0:
        raise Error(
            400,
            UNDEFINED,
            f"allocation_ratio of {name} is {values['allocation_ratio']}: it must be greater than 0.",
        )


RULE = "placement:resource_providers:inventories:"
PATH = "/resource_providers/{id}/inventories"
EVENT = "placement.inventory.update"

ROUTES = (
    Route("GET", PATH, index, RULE + "list"),
    Route("POST", PATH, create, RULE + "create", body="inventories.create", event=EVENT),
    Route("PUT", PATH, replace, RULE + "update", body="inventories.update_all", event=EVENT),
    Route("DELETE", PATH, delete_all, RULE + "delete", since=(1, 5), event=EVENT),
    Route("GET", PATH + "/{resource_class}", show, RULE + "show"),
    Route("PUT", PATH + "/{resource_class}", update, RULE + "update", body="inventories.update", event=EVENT),
    Route("DELETE", PATH + "/{resource_class}", delete, RULE + "delete", event=EVENT),
)
