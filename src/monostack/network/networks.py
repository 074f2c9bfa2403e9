"""Networks: the layer-2 segments that ports stand on.

A network belongs to a project; an administrator may share it with everybody, or mark it external: the outer
world behind routers, where floating addresses come from. Its segment is claimed in the transaction that makes
it. Deleting a network takes its subnets along, and the ports that only the service itself put there; any
other port forbids it.

Source: networking API reference, "Networks".
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid
from monostack.network import addresses, checks, hosting, limits, segments, sharing
from monostack.network.attributes import DESCRIPTION, ID, NAME, OWNER, STANDARD, Attribute, bad, boolean
from monostack.network.collection import Collection, routes, save
from monostack.network.ports import rows as port_rows
from monostack.network.subnetpool_tables import SUBNETPOOLS
from monostack.network.tables import EVERYBODY, FLOATING_IPS, NETWORKS, PORTS, ROUTERS, SUBNETS, all_in

SMALLEST_MTU = {4: 68, 6: 1280}
PROVIDER = "get_network:provider:"

ATTRIBUTES = (
    ID,
    *OWNER,
    NAME,
    DESCRIPTION,
    boolean("admin_state_up", post=True, put=True, default=True, sort=True),
    Attribute("status", filter=True, sort=True),
    Attribute("subnets"),
    boolean("shared", post=True, put=True, default=False, guarded=True, filter=None),
    boolean("router:external", "external", post=True, put=True, default=False, guarded=True),
    boolean("is_default", post=True, put=True, default=False, guarded=True),
    Attribute(
        "mtu", filter=True, sort=True, post=True, put=True, check=checks.integer, convert=checks.integer
    ),
    boolean("port_security_enabled", post=True, put=True, default=True, guarded=True, filter=None),
    Attribute(
        "provider:network_type",
        "network_type",
        post=True,
        put=True,
        guarded=True,
        filter=True,
        check=checks.or_none(checks.text(32)),
        rule=PROVIDER + "network_type",
    ),
    Attribute(
        "provider:physical_network",
        "physical_network",
        post=True,
        put=True,
        guarded=True,
        filter=True,
        check=checks.or_none(checks.text(64)),
        rule=PROVIDER + "physical_network",
    ),
    Attribute(
        "provider:segmentation_id",
        "segmentation_id",
        post=True,
        put=True,
        guarded=True,
        filter=True,
        check=checks.or_none(checks.integer),
        convert=checks.integer,
        rule=PROVIDER + "segmentation_id",
    ),
    Attribute("availability_zone_hints", post=True, default=(), check=checks.hints),
    Attribute("availability_zones", lambda row: ["nova"] if row["subnets"] else []),
    Attribute("ipv4_address_scope"),
    Attribute("ipv6_address_scope"),
    Attribute("l2_adjacency", lambda row: True),
    Attribute("qos_policy_id", lambda row: None),
    *STANDARD,
)


def audience(project_id: str, shared: bool, external: bool) -> str:
    return EVERYBODY if shared or external else project_id


SEEN = sa.or_(
    NETWORKS.c.audience.in_([sa.bindparam("viewer"), EVERYBODY]),
    NETWORKS.c.id.in_(sharing.granted("network")),
)
"""A project sees its own networks, the shared and the external ones."""


def may_see(db, row, viewer: str | None) -> bool:
    return row["audience"] in (viewer, EVERYBODY) or sharing.is_seen(db, row["id"], viewer)


def complete(db, rows: list, viewer: str | None) -> None:
    """Which subnets each network has, and what follows from them."""
    by_network: dict[str, list] = {row["id"]: [] for row in rows}
    for subnet in all_in(db, SUBNETS, "network_id", by_network):
        by_network[subnet["network_id"]].append(subnet)
    pools = {each["subnetpool_id"] for found in by_network.values() for each in found} - {None}
    scopes = {pool["id"]: pool["address_scope_id"] for pool in db.all(SUBNETPOOLS, id=pools)} if pools else {}
    for row in rows:
        found = by_network[row["id"]]
        row["subnets"] = sorted(each["id"] for each in found)
        for version in (4, 6):
            of_version = [
                scopes.get(each["subnetpool_id"]) for each in found if each["ip_version"] == version
            ]
            row[f"ipv{version}_address_scope"] = next(filter(None, of_version), None)
    foreign = [row["id"] for row in rows if not row["shared"] and row["project_id"] != viewer]
    for id in sharing.granted_among(db, foreign, viewer):  # noqa: A001
        next(row for row in rows if row["id"] == id)["shared"] = True


def sieve(request, db):
    """Shared is what is shared with the one who asks."""
    return shared_test(request, db, lambda row: row["id"])


def shared_test(request, db, network_of):
    if "shared" not in request.query:
        return None
    try:
        wanted = {checks.boolean(each) for each in request.query_all("shared")}
    except ValueError as reason:
        raise Error(400, "InvalidInput", f"Invalid input for operation: {reason}") from None
    found = sharing.shared_with(db, "network", request.caller.project_id)
    return lambda row: (network_of(row) in found) in wanted


def parents(db, row, viewer: str | None) -> dict:
    external = row.get("external", row.get("router:external", False))
    shared = row.get("shared", False)
    if not shared and "id" in row and row["project_id"] != viewer:
        shared = sharing.is_granted(db, row["id"], viewer)
    return {"router:external": external, "shared": shared}


def create(request, tx, values: dict):
    limits.take(tx, values["project_id"], network=1)
    return store(tx, values)


def store(tx, values: dict):
    """Add a network; `values` by the wire's names."""
    id = new_uuid()  # noqa: A001
    segment = segments.chosen(tx, segments.asked(values), id)
    project_id, shared, external = values["project_id"], values["shared"], values["router:external"]
    if values["is_default"]:
        _only_default(tx, external, None)
    row = tx.insert(
        NETWORKS,
        id=id,
        project_id=project_id,
        name=values["name"],
        description=values["description"],
        admin_state_up=values["admin_state_up"],
        shared=shared,
        external=external,
        is_default=values["is_default"],
        audience=audience(project_id, shared, external),
        mtu=_mtu(tx, segment, values.get("mtu")),
        status="ACTIVE",
        port_security_enabled=values["port_security_enabled"],
        revision_number=1,
        availability_zone_hints=list(values["availability_zone_hints"]),
        taken=segments.taken(segment),
        **segment,
    )
    if shared or external:
        _mirror(tx, row)
    return row


def _mirror(tx, row) -> None:
    sharing.mirror(tx, "network", row, sharing.SHARED, row["shared"])
    sharing.mirror(tx, "network", row, sharing.EXTERNAL, row["external"])


def _mtu(db, segment: dict, asked: int | None) -> int:
    most = segments.mtu(segment, db.cloud.settings.network.mtu)
    if not asked:
        return most
    if not 0 < asked <= most:
        raise Error(
            400,
            "InvalidInput",
            f"Invalid input for operation: Requested MTU is {asked}: this network may have at most {most}.",
        )
    return asked


def check_mtu(mtu: int, versions: set[int]) -> None:
    """Each version of IP asks for a least MTU."""
    for version in versions:
        if mtu < SMALLEST_MTU[version]:
            raise Error(
                409,
                "NetworkMTUSubnetConflict",
                f"Invalid MTU {mtu}: an IPv{version} subnet needs {SMALLEST_MTU[version]} at least.",
            )


def _only_default(tx, external: bool, id: str | None) -> None:  # noqa: A002
    if not external:
        raise Error(
            400, "InvalidInput", "Invalid input for operation: only an external network can be the default."
        )
    other = tx.one(NETWORKS, is_default=True)
    if other is not None and other["id"] != id:
        raise Error(
            409, "DefaultExternalNetworkExists", f"A default external network already exists: {other['id']}."
        )


def update(request, tx, row, sent: dict):
    changes = {}
    for name, column in (
        ("name", "name"),
        ("description", "description"),
        ("admin_state_up", "admin_state_up"),
        ("shared", "shared"),
        ("router:external", "external"),
        ("is_default", "is_default"),
        ("port_security_enabled", "port_security_enabled"),
    ):
        if name in sent and sent[name] != row[column]:
            changes[column] = sent[name]
    if "mtu" in sent:
        changes["mtu"] = _mtu(tx, row, sent["mtu"])
        check_mtu(changes["mtu"], {subnet["ip_version"] for subnet in tx.all(SUBNETS, network_id=row["id"])})
    _keep_segment(row, sent)
    if changes.get("shared") is False:
        _nobody_else_on(tx, row)
    if changes.get("external") is False:
        _not_used_as_external(tx, row)
    if changes.get("is_default"):
        _only_default(tx, changes.get("external", row["external"]), row["id"])
    if changes:
        save(tx, row, **changes)
        if "shared" in changes or "external" in changes:
            _mirror(tx, row)
            set_audience(tx, row)
        hosting.changed(tx, "network", row["id"])
        if "mtu" in changes:
            for port in tx.all(PORTS, network_id=row["id"], guest=1):
                hosting.changed(tx, "port", port["id"])
    return row


def set_audience(tx, row) -> None:
    """Note who sees the network, on it and on its subnets; others see it by policies that name them."""
    everybody = row["shared"] or EVERYBODY in sharing.targets(tx, row["id"], sharing.EXTERNAL)
    seen_by = EVERYBODY if everybody else row["project_id"]
    tx.set(row, audience=seen_by)
    tx.update(SUBNETS, {"network_id": row["id"]}, audience=seen_by, external=row["external"])


def follow(tx, row) -> None:
    """The policies of the network changed: let its flags say the same."""
    external = bool(sharing.targets(tx, row["id"], sharing.EXTERNAL))
    shared = EVERYBODY in sharing.targets(tx, row["id"], sharing.SHARED)
    save(tx, row, shared=shared, external=external, is_default=row["is_default"] and external)
    set_audience(tx, row)


def _keep_segment(row, sent: dict) -> None:
    for name in ("network_type", "physical_network", "segmentation_id"):
        attribute = "provider:" + name
        if attribute in sent and sent[attribute] != row[name]:
            raise bad(
                "Invalid input for operation: Plugin does not support updating provider attributes: "
                "make a new network instead."
            )


def _nobody_else_on(tx, row) -> None:
    free = {"", row["project_id"]} | sharing.targets(tx, row["id"], sharing.SHARED)
    for port in tx.all(PORTS, network_id=row["id"]):
        if port["project_id"] not in free and not port_rows.is_automatic(port):
            raise Error(
                409,
                "InvalidSharedSetting",
                f"Unable to reconfigure sharing settings for network {row['id']}. "
                "Multiple tenants are using it.",
            )


def _not_used_as_external(tx, row) -> None:
    if tx.one(ROUTERS, gateway_network_id=row["id"]) or tx.one(FLOATING_IPS, floating_network_id=row["id"]):
        raise Error(
            409,
            "ExternalNetworkInUse",
            f"External network {row['id']} cannot be updated to be made non-external, "
            "since it has existing gateway ports.",
        )


def _give_up_floating_ips(tx, network_id: str) -> None:
    """Floating IPs that hang on nothing go with their network."""
    for floating_ip in tx.all(FLOATING_IPS, floating_network_id=network_id, port_id=None):
        tx.delete(floating_ip)
        port_rows.delete(tx, tx.one(PORTS, id=floating_ip["floating_port_id"]))


def delete(request, tx, row) -> None:
    _give_up_floating_ips(tx, row["id"])
    ports = tx.all(PORTS, order="id", network_id=row["id"])
    used = [port["id"] for port in ports if not port_rows.is_automatic(port)]
    if used:
        raise Error(
            409,
            "NetworkInUse",
            f"Unable to complete operation on network {row['id']}. There are one or more "
            f"ports still in use on the network, id for these ports is: {','.join(used)}.",
        )
    for port in ports:
        port_rows.delete(tx, port)
    tx.delete_all(SUBNETS, network_id=row["id"])
    addresses.forget_network(tx, row["id"])
    sharing.forget(tx, row["id"])
    tx.delete(row)
    hosting.release_everywhere(tx, "network", row["id"])


COLLECTION = Collection(
    "network",
    "networks",
    "networks",
    NETWORKS,
    ATTRIBUTES,
    ("NetworkNotFound", "Network {id} could not be found."),
    among=SEEN,
    may_see=may_see,
    sieve=sieve,
    sieves=frozenset(("shared",)),
    create=create,
    update=update,
    delete=delete,
    parents=parents,
    complete=complete,
)

ROUTES = routes(COLLECTION)
