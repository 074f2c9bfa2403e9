"""DHCP ports: the address in each subnet from which leases and metadata are answered.

A network with a subnet that has DHCP on gets one port of the service's own. Every host that carries the
network answers from the same address, each for its own guests, so there is nothing to fail over.
"""

from __future__ import annotations

import uuid

from monostack.kit.errors import Error
from monostack.network import hosting
from monostack.network.ports import rows
from monostack.network.tables import PORTS, SUBNETS


def is_served(subnet) -> bool:
    """Whether hosts get addresses of this subnet by DHCP."""
    if not subnet["enable_dhcp"]:
        return False
    return subnet["ip_version"] == 4 or subnet["ipv6_address_mode"] == "dhcpv6-stateful"


def device_id(network_id: str) -> str:
    """What the service's own port says it is for; a port that a user called network:dhcp says something
    else."""
    return f"dhcp{uuid.uuid5(uuid.NAMESPACE_DNS, network_id)}-{network_id}"


def port_of(db, network_id: str):
    return db.one(PORTS, lock=False, device_id=device_id(network_id), device_owner=rows.DHCP)


def settle(tx, network) -> None:
    """Let the network's DHCP port have one address in each subnet that it serves."""
    served = [
        subnet["id"]
        for subnet in tx.all(SUBNETS, order="created_at", network_id=network["id"])
        if is_served(subnet)
    ]
    port = port_of(tx, network["id"])
    if port is not None and not served:
        rows.delete(tx, port)
    elif served:
        _settle_addresses(tx, network, port or _make(tx, network), served)
    hosting.changed(tx, "network", network["id"])


def _make(tx, network):
    return rows.create(
        tx,
        network,
        project_id=network["project_id"],
        fixed_ips=[],
        groups=[],
        quota=False,
        device_id=device_id(network["id"]),
        device_owner=rows.DHCP,
    )


def _settle_addresses(tx, network, port, served: list[str]) -> None:
    asked = [each for each in port["fixed_ips"] if each["subnet_id"] in served]
    if len(asked) != len(port["fixed_ips"]):
        rows.set_addresses(tx, port, network, asked)
    have = {each["subnet_id"] for each in asked}
    for subnet_id in served:
        if subnet_id in have:
            continue
        try:
            with tx.nested():
                rows.set_addresses(tx, port, network, [*port["fixed_ips"], {"subnet_id": subnet_id}])
        except Error as reason:
            if reason.type != "IpAddressGenerationFailure":
                raise
