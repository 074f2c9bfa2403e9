"""RBAC policies as a resource; what they mean stands in `sharing`.

Source: networking API reference, "RBAC Policies".
"""

from __future__ import annotations

from typing import Any

from monostack.kit.errors import Error
from monostack.network import checks, limits, networks
from monostack.network.address_scopes import COLLECTION as ADDRESS_SCOPE
from monostack.network.attributes import ID, OWNER, Attribute
from monostack.network.collection import Collection, routes
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.security_groups import COLLECTION as SECURITY_GROUP
from monostack.network.sharing import EXTERNAL, POLICIES, SHARED
from monostack.network.subnetpools import COLLECTION as SUBNETPOOL
from monostack.network.tables import EVERYBODY, PORT_GROUPS, PORTS

OBJECTS = {
    "network": (NETWORK, (SHARED, EXTERNAL)),
    "security_group": (SECURITY_GROUP, (SHARED,)),
    "address_scope": (ADDRESS_SCOPE, (SHARED,)),
    "subnetpool": (SUBNETPOOL, (SHARED,)),
}


def _object_type(value: Any) -> str:
    if value not in OBJECTS:
        raise checks.Unconvertible(
            f"'{value}' is not a valid RBAC object type: there are {', '.join(OBJECTS)}."
        )
    return value


ATTRIBUTES = (
    ID,
    *OWNER,
    Attribute("object_type", filter=True, post=True, required=True, check=_object_type),
    Attribute("object_id", filter=True, post=True, required=True, check=checks.uuid),
    Attribute("action", filter=True, post=True, required=True, check=checks.text(255)),
    Attribute(
        "target_tenant",
        "target_project",
        filter=True,
        post=True,
        put=True,
        required=True,
        guarded=True,
        check=checks.text(255),
    ),
)


def _object(request, tx, object_type: str, object_id: str):
    collection, _ = OBJECTS[object_type]
    row = collection.find(tx, request.caller, object_id)
    if row["project_id"] != request.caller.project_id and not request.caller.admin:
        raise collection.not_found(object_id)
    return row


def create(request, tx, values: dict):
    object_type, action, target = values["object_type"], values["action"], values["target_tenant"]
    actions = OBJECTS[object_type][1]
    if action not in actions:
        raise Error(
            400,
            "InvalidInput",
            f"Invalid input for operation: Invalid action '{action}' for object type "
            f"'{object_type}'. Valid actions: {', '.join(actions)}.",
        )
    owned = _object(request, tx, object_type, values["object_id"])
    _check_target(action, target)
    limits.take(tx, values["project_id"], rbac_policy=1)
    row = tx.insert(
        POLICIES,
        project_id=values["project_id"],
        object_type=object_type,
        object_id=owned["id"],
        action=action,
        target_project=target,
        taken=Error(409, "DuplicateRbacPolicy", "An RBAC policy already exists with those values."),
    )
    _set_flag(tx, row, owned)
    return row


def _check_target(action: str, target: str) -> None:
    if action == EXTERNAL and target != EVERYBODY:
        raise Error(
            400,
            "InvalidInput",
            "Invalid input for operation: a network is external for everybody or for "
            "nobody: the target of access_as_external can only be '*'.",
        )


def _set_flag(tx, policy, owned) -> None:
    """A policy for everybody is what the object's flag says."""
    if policy["target_project"] != EVERYBODY:
        return
    if policy["object_type"] == "network":
        networks.open_to_all(tx, owned, policy["action"])
    else:
        tx.set(owned, shared=True)


def update(request, tx, row, sent: dict):
    target = sent.get("target_tenant", row["target_project"])
    if target == row["target_project"]:
        return row
    _check_target(row["action"], target)
    _end(tx, row)
    tx.set(
        row,
        target_project=target,
        taken=Error(409, "DuplicateRbacPolicy", "An RBAC policy already exists with those values."),
    )
    _set_flag(tx, row, _object(request, tx, row["object_type"], row["object_id"]))
    return row


def delete(request, tx, row) -> None:
    _end(tx, row)
    tx.delete(row)


def _end(tx, row) -> None:
    """Nobody may be using the object because of the policy any more."""
    collection, _ = OBJECTS[row["object_type"]]
    owned = tx.one(collection.table, id=row["object_id"])
    if owned is None:
        return
    if row["target_project"] != EVERYBODY:
        _check_unused(tx, row)
    elif row["object_type"] == "network":
        networks.close(tx, owned, row["action"])
    else:
        tx.set(owned, shared=False)


def _check_unused(tx, row) -> None:
    if row["object_type"] == "network":
        used = tx.one(PORTS, lock=False, network_id=row["object_id"], project_id=row["target_project"])
    elif row["object_type"] == "security_group":
        ports = [each["port_id"] for each in tx.all(PORT_GROUPS, security_group_id=row["object_id"])]
        used = tx.one(PORTS, lock=False, id=ports, project_id=row["target_project"]) if ports else None
    else:
        used = None
    if used is not None:
        raise Error(
            409,
            "RbacPolicyInUse",
            f"RBAC policy on object {row['object_id']} cannot be removed because "
            f"other objects depend on it: port {used['id']}.",
        )


COLLECTION = Collection(
    "rbac_policy",
    "rbac_policies",
    "rbac-policies",
    POLICIES,
    ATTRIBUTES,
    ("RbacPolicyNotFound", "RBAC policy {id} could not be found"),
    create=create,
    update=update,
    delete=delete,
    tagged=False,
    parents=lambda db, row, viewer: {
        "target_project": row.get("target_tenant", row.get("target_project")),
        "target_tenant": row.get("target_tenant", row.get("target_project")),
    },
)

ROUTES = routes(COLLECTION)
