"""RBAC policies as a resource; what they mean stands in `sharing`.

Source: networking API reference, "RBAC Policies".
"""

from __future__ import annotations

from typing import Any

from monostack.kit.errors import Error
from monostack.network import checks, limits, networks, sharing
from monostack.network.address_scopes import COLLECTION as ADDRESS_SCOPE
from monostack.network.attributes import ID, OWNER, Attribute
from monostack.network.collection import Collection, routes
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.ports import rows as port_rows
from monostack.network.security_groups import COLLECTION as SECURITY_GROUP
from monostack.network.sharing import EXTERNAL, POLICIES, SHARED
from monostack.network.subnetpools import COLLECTION as SUBNETPOOL
from monostack.network.tables import EVERYBODY, FLOATING_IPS, PORT_GROUPS, PORTS, ROUTERS, SUBNETS

OBJECTS = {
    "network": (NETWORK, (SHARED, EXTERNAL)),
    "security_group": (SECURITY_GROUP, (SHARED,)),
    "address_scope": (ADDRESS_SCOPE, (SHARED,)),
    "subnetpool": (SUBNETPOOL, (SHARED,)),
}


DUPLICATE = Error(409, "DuplicateRbacPolicy", "An RBAC policy already exists with those values.")


def _object_type(value: Any) -> str:
    if not isinstance(value, str) or value not in OBJECTS:
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
        raise Error(
            400,
            "InvalidInput",
            f"Invalid input for operation: only the owner of {object_id} may share it.",
        )
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
    _check_scope(tx, object_type, owned, target)
    limits.take(tx, values["project_id"], rbac_policy=1)
    row = tx.insert(
        POLICIES,
        project_id=values["project_id"],
        object_type=object_type,
        object_id=owned["id"],
        action=action,
        target_project=target,
        taken=DUPLICATE,
    )
    _follow(tx, row["object_type"], owned)
    return row


def _check_scope(tx, object_type: str, owned, target: str) -> None:
    """Who gets a pool must have its address scope, too."""
    scope_id = owned["address_scope_id"] if object_type == "subnetpool" else None
    if scope_id is None:
        return
    scope = tx.one(ADDRESS_SCOPE.table, id=scope_id)
    if target != scope["project_id"] and not {target, EVERYBODY} & sharing.targets(tx, scope_id, SHARED):
        raise Error(
            400,
            "InvalidInput",
            f"Invalid input for operation: {target} has no access to address scope {scope_id} of the "
            "pool: share that first.",
        )


def _follow(tx, object_type: str, owned) -> None:
    """The flags of the object say what its policies say."""
    if object_type == "network":
        networks.follow(tx, owned)
    else:
        tx.set(owned, shared=EVERYBODY in sharing.targets(tx, owned["id"], SHARED))


def update(request, tx, row, sent: dict):
    target = sent.get("target_tenant", row["target_project"])
    if target == row["target_project"]:
        return row
    owned = tx.one(OBJECTS[row["object_type"]][0].table, id=row["object_id"])
    _check_unneeded(tx, row, owned, target)
    tx.set(row, target_project=target, taken=DUPLICATE)
    _follow(tx, row["object_type"], owned)
    return row


def delete(request, tx, row) -> None:
    owned = tx.one(OBJECTS[row["object_type"]][0].table, id=row["object_id"])
    _check_unneeded(tx, row, owned, None)
    tx.delete(row)
    _follow(tx, row["object_type"], owned)


def _check_unneeded(tx, row, owned, instead: str | None) -> None:
    """Whoever uses the object because of the policy must be allowed by another."""
    target, action = row["target_project"], row["action"]
    if action == EXTERNAL and target == EVERYBODY and owned["is_default"]:
        raise Error(
            409,
            "RbacPolicyInUse",
            f"Network {owned['id']} is the default external network: make another one the default before.",
        )
    left = (sharing.targets(tx, owned["id"], action) - {target}) | ({instead} if instead else set())
    if EVERYBODY in left:
        return
    users = _users(tx, row, owned) - left
    if action == SHARED:
        users -= {owned["project_id"]}
    if target != EVERYBODY:
        users &= {target}
    if users:
        raise Error(
            409,
            "RbacPolicyInUse",
            f"RBAC policy on object {owned['id']} cannot be removed because other "
            f"objects depend on it: of project {', '.join(sorted(users))}.",
        )


def _users(tx, row, owned) -> set[str]:
    """The projects that use the object in the way the policy allows."""
    kind = row["object_type"]
    if kind == "subnetpool":
        found = tx.all(SUBNETS, subnetpool_id=owned["id"])
    elif kind == "address_scope":
        found = tx.all(SUBNETPOOL.table, address_scope_id=owned["id"])
    elif kind == "security_group":
        ports = [each["port_id"] for each in tx.all(PORT_GROUPS, security_group_id=owned["id"])]
        found = tx.all(PORTS, id=ports)
    elif row["action"] == EXTERNAL:
        found = tx.all(ROUTERS, gateway_network_id=owned["id"])
        found += tx.all(FLOATING_IPS, floating_network_id=owned["id"])
    else:
        found = [port for port in tx.all(PORTS, network_id=owned["id"]) if not port_rows.is_automatic(port)]
    return {each["project_id"] for each in found} - {""}


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
