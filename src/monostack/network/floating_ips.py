"""Floating IPs: addresses of an external network that a project holds and hangs on its ports.

The address is claimed like any other, by a port of the service's own on the external network. Hanging it on a
port needs a router between the two: that router's host does the translation, and the floating IP is ACTIVE
once it has said so.

Source: networking API reference, "Floating IPs".
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid
from monostack.network import associations, checks, hosting, limits
from monostack.network.attributes import DESCRIPTION, ID, OWNER, STANDARD, Attribute
from monostack.network.collection import Collection, routes, save
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.ports import rows as port_rows
from monostack.network.ports.api import COLLECTION as PORT
from monostack.network.tables import FLOATING_IPS, PORTS, ROUTERS, SUBNETS, all_in

DETAILS = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")

ATTRIBUTES = (
    ID,
    *OWNER,
    DESCRIPTION,
    Attribute("floating_network_id", filter=True, sort=True, post=True, required=True, check=checks.uuid),
    Attribute(
        "floating_ip_address",
        filter=True,
        sort=True,
        post=True,
        default=None,
        guarded=True,
        check=checks.or_none(checks.ip_address),
    ),
    Attribute(
        "fixed_ip_address",
        filter=True,
        sort=True,
        post=True,
        put=True,
        default=None,
        check=checks.or_none(checks.ip_address),
    ),
    Attribute("port_id", filter=True, post=True, put=True, default=None, check=checks.or_none(checks.uuid)),
    Attribute("subnet_id", post=True, default=None, check=checks.or_none(checks.uuid), shown=False),
    Attribute("router_id", filter=True, sort=True),
    Attribute("status", filter=True, sort=True),
    Attribute("port_details"),
    Attribute("qos_policy_id", lambda row: None),
    *STANDARD,
)

_interface = PORTS.alias("interface")
_ROUTER_BETWEEN = query(
    sa.select(ROUTERS)
    .join(_interface, _interface.c.device_id == ROUTERS.c.id)
    .where(
        _interface.c.network_id == sa.bindparam("inside"),
        _interface.c.device_owner == port_rows.ROUTER_INTERFACE,
        ROUTERS.c.gateway_network_id == sa.bindparam("outside"),
    )
    .order_by(ROUTERS.c.created_at, ROUTERS.c.id),
    ROUTERS,
)
_LEGS = query(
    sa.select(PORTS.c.device_id, PORTS.c.fixed_ips).where(
        PORTS.c.network_id == sa.bindparam("inside"), PORTS.c.device_owner == port_rows.ROUTER_INTERFACE
    )
)


def refuse(message: str) -> Error:
    return Error(400, "BadRequest", f"Bad floatingip request: {message}")


def complete(db, rows: list, viewer: str | None) -> None:
    """What the ports are that floating IPs hang on."""
    ids = {row["port_id"] for row in rows if row["port_id"]}
    ports = {port["id"]: port for port in all_in(db, PORTS, "id", ids)}
    for row in rows:
        port = ports.get(row["port_id"])
        row["port_details"] = None if port is None else {name: port[name] for name in DETAILS}


def create(request, tx, values: dict):
    network = NETWORK.find(tx, request.caller, values["floating_network_id"])
    if not network["external"]:
        raise refuse(f"Network {network['id']} is not a valid external network")
    limits.take(tx, values["project_id"], floatingip=1)
    id = new_uuid()  # noqa: A001
    holder = _hold(tx, network, id, values["floating_ip_address"], values["subnet_id"])
    row = tx.insert(
        FLOATING_IPS,
        id=id,
        project_id=values["project_id"],
        description=values["description"],
        status="DOWN",
        floating_network_id=network["id"],
        floating_ip_address=holder["fixed_ips"][0]["ip_address"],
        floating_port_id=holder["id"],
        revision_number=0,
    )
    if values["port_id"]:
        _hang(request, tx, row, values["port_id"], values["fixed_ip_address"])
    elif values["fixed_ip_address"]:
        raise refuse("fixed_ip_address cannot be specified without a port_id")
    return row


def _hold(tx, network, id: str, address: str | None, subnet_id: str | None):  # noqa: A002
    """Claim an address of the external network, by a port of the service's own."""
    subnets = tx.all(SUBNETS, order=("created_at", "id"), network_id=network["id"], ip_version=4)
    if not subnets:
        raise refuse(f"Network {network['id']} does not contain any IPv4 subnet")
    if address is not None or subnet_id is not None:
        asked = {"ip_address": address, "subnet_id": subnet_id}
        choices = [{name: value for name, value in asked.items() if value is not None}]
    else:
        choices = [{"subnet_id": subnet["id"]} for subnet in subnets]
    for choice in choices:
        try:
            return port_rows.create(
                tx,
                network,
                project_id="",
                groups=[],
                quota=False,
                device_id=id,
                device_owner=port_rows.FLOATING_IP,
                fixed_ips=[choice],
            )
        except Error as reason:
            if reason.type != "IpAddressGenerationFailure":
                raise
    raise Error(
        409,
        "ExternalIpAddressExhausted",
        f"Unable to find any IP address on external network {network['id']}.",
    )


# hanging


def _hang(request, tx, row, port_id: str, fixed_ip: str | None) -> None:
    port = PORT.find(tx, request.caller, port_id)
    _check_owner(request, row, port)
    address = _inner_address(port, fixed_ip)
    router = _router_for(tx, row, port, address)
    other = tx.one(
        FLOATING_IPS,
        port_id=port["id"],
        fixed_ip_address=address["ip_address"],
        floating_network_id=row["floating_network_id"],
    )
    taken = Error(
        409,
        "FloatingIPPortAlreadyAssociated",
        f"Cannot associate floating IP {row['floating_ip_address']} ({row['id']}) with port {port['id']} "
        f"using fixed IP {address['ip_address']}, as that fixed IP already has a floating IP on external "
        f"network {row['floating_network_id']}.",
    )
    if other is not None and other["id"] != row["id"]:
        raise taken
    before, left = row["router_id"], row["port_id"]
    tx.set(
        row,
        port_id=port["id"],
        fixed_ip_address=address["ip_address"],
        router_id=router["id"],
        status="DOWN",
        taken=taken,
    )
    for router_id in {before, router["id"]} - {None}:
        hosting.changed(tx, "router", router_id)
    tx.hook("network.port.changed", port)
    if left not in (None, port["id"]):
        tx.hook("network.port.changed", tx.one(PORTS, id=left))


def _check_owner(request, row, port) -> None:
    if port["project_id"] != row["project_id"] and not request.caller.admin:
        raise refuse(
            f"Port {port['id']} is associated with a different tenant than floating IP {row['id']} and "
            "therefore cannot be bound"
        )
    if port["device_owner"].startswith("network:"):
        raise refuse(
            f"Port {port['id']} is one of the service's own ({port['device_owner']}): no floating IP can "
            "hang on it"
        )


def _inner_address(port, fixed_ip: str | None) -> dict:
    plain = [each for each in port["fixed_ips"] if ":" not in each["ip_address"]]
    if fixed_ip is not None:
        found = next((each for each in plain if each["ip_address"] == fixed_ip), None)
        if found is None:
            raise refuse(f"Port {port['id']} does not have fixed ip {fixed_ip}")
        return found
    if not plain:
        raise refuse(f"Cannot add floating IP to port {port['id']} that has no fixed IPv4 addresses")
    if len(plain) > 1:
        raise refuse(
            f"Port {port['id']} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when "
            "assigning a floating IP"
        )
    return plain[0]


def _router_for(tx, row, port, address: dict):
    """The router that joins the port's subnet with the external network."""
    found = {
        router["id"]: router
        for router in tx.run(_ROUTER_BETWEEN, inside=port["network_id"], outside=row["floating_network_id"])
    }
    for leg in tx.run(_LEGS, inside=port["network_id"]) if found else ():
        if leg["device_id"] in found and any(
            each["subnet_id"] == address["subnet_id"] for each in leg["fixed_ips"]
        ):
            return found[leg["device_id"]]
    raise Error(
        404,
        "ExternalGatewayForFloatingIPNotFound",
        f"External network {row['floating_network_id']} is not reachable from subnet {address['subnet_id']}. "
        f"Therefore, cannot associate Port {port['id']} with a Floating IP.",
    )


def update(request, tx, row, sent: dict):
    """Change what was sent; an empty body takes the floating IP down, as it always did."""
    if "description" in sent:
        save(tx, row, description=sent["description"])
    if not sent or ("port_id" in sent and sent["port_id"] is None):
        if sent.get("fixed_ip_address"):
            raise refuse("fixed_ip_address cannot be specified without a port_id")
        _take_down(tx, row)
    elif "port_id" in sent or "fixed_ip_address" in sent:
        port_id = sent.get("port_id", row["port_id"])
        if port_id is None:
            raise refuse("fixed_ip_address cannot be specified without a port_id")
        save(tx, row)
        _hang(request, tx, row, port_id, sent.get("fixed_ip_address"))
    return row


def _take_down(tx, row) -> None:
    if row["port_id"] is None:
        return
    port = tx.one(PORTS, id=row["port_id"])
    associations.loosen(tx, row)
    if port is not None:
        tx.hook("network.port.changed", port)


def delete(request, tx, row) -> None:
    _take_down(tx, row)
    holder = tx.one(PORTS, id=row["floating_port_id"])
    tx.delete(row)
    if holder is not None:
        port_rows.delete(tx, holder)


COLLECTION = Collection(
    "floatingip",
    "floatingips",
    "floatingips",
    FLOATING_IPS,
    ATTRIBUTES,
    ("FloatingIPNotFound", "Floating IP {id} could not be found"),
    create=create,
    update=update,
    delete=delete,
    complete=complete,
)

ROUTES = routes(COLLECTION)
