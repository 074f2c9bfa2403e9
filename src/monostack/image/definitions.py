"""Metadata definitions: which properties make sense on what, kept by namespace for dashboards and scripts.

A namespace holds definitions of four kinds (objects, properties, tags, and the resource types it is meant
for), all in one table. Nothing else in the cloud reads them.

Private namespaces are seen by their owner, public ones by all; writing is for administrators. A protected
namespace is neither deleted nor are its definitions.
"""

from typing import Any

from monostack.image.tables import DEFINITIONS, NAMESPACES
from monostack.image.wire import conflict, forbidden
from monostack.kit.errors import Error

OBJECT, PROPERTY, TAG, RESOURCE_TYPE = "object", "property", "tag", "resource_type"
RESOURCE_TYPES = (
    "OS::Cinder::Volume",
    "OS::Glance::Image",
    "OS::Nova::Aggregate",
    "OS::Nova::Flavor",
    "OS::Nova::Server",
    "OS::Trove::Instance",
)
WORDS = {OBJECT: "object", PROPERTY: "property", TAG: "tag", RESOURCE_TYPE: "resource type"}


def find(request, db) -> dict:
    """The namespace of the path if the caller may see it; raises 404."""
    name = request.path["namespace"]
    missing = Error(404, "NotFound", f"Metadata definition namespace={name[:255]} was not found.")
    row = db.one(NAMESPACES, namespace=name, missing=missing)
    caller = request.caller
    if row["visibility"] != "public" and not caller.admin and row["owner"] != caller.project_id:
        raise missing
    return row


def target(request, db) -> dict:
    """What policy judges: the namespace of the path."""
    row = find(request, db)
    return {"project_id": row["owner"], "owner": row["owner"], "visibility": row["visibility"]}


def unprotected(row: dict, words: str) -> None:
    """Refuse to take something from a protected namespace."""
    if row["protected"]:
        raise forbidden(f"Metadata definition {words} is protected and cannot be deleted.")


def of(db, namespace: str, kind: str) -> list:
    """The definitions of a kind."""
    return db.all(DEFINITIONS, order=("created_at", "name"), namespace=namespace, kind=kind)


def one(db, namespace: str, kind: str, name: str) -> dict:
    """One definition; raises 404."""
    missing = Error(
        404,
        "NotFound",
        f"The metadata definition {WORDS[kind]} with name={name[:255]} was not found in "
        f"namespace={namespace}.",
    )
    return db.one(DEFINITIONS, namespace=namespace, kind=kind, name=name, missing=missing)


def add(tx, namespace: str, kind: str, name: str, value: Any) -> dict:
    """Add a definition; raises 409 if there is one of that name."""
    return tx.insert(
        DEFINITIONS, namespace=namespace, kind=kind, name=name, value=value, taken=_taken(kind, name)
    )


def change(tx, row: dict, name: str, value: Any) -> dict:
    """Replace a definition, its name included; the row as it is now."""
    if name == row["name"]:
        tx.set(row, value=value)
        return row
    where = {"namespace": row["namespace"], "kind": row["kind"], "name": row["name"]}
    tx.update(DEFINITIONS, where, name=name, value=value, taken=_taken(row["kind"], name))
    return one(tx, row["namespace"], row["kind"], name)


def _taken(kind: str, name: str) -> Error:
    return conflict(f"A metadata definition {WORDS[kind]} with name={name} already exists in this namespace.")
