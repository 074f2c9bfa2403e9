"""The legs of a router: its ports on the networks that it joins.

An interface is added by naming a subnet, whose gateway address it then takes, or by giving a port that has
its addresses already. No two legs may overlap, because nobody could tell where a packet should go.

Source: networking API reference, "Add interface to router", "Remove interface from router".
"""

from __future__ import annotations

import ipaddress
from typing import Any

from monostack.kit import ids
from monostack.kit.errors import Error
from monostack.network.attributes import bad
from monostack.network.checks import parsed_network
from monostack.network.collection import save
from monostack.network.ports import rows as port_rows
from monostack.network.ports.api import COLLECTION as PORT
from monostack.network.routers import rows
from monostack.network.routers.rows import refuse
from monostack.network.subnets import COLLECTION as SUBNET
from monostack.network.tables import FLOATING_IPS, NETWORKS, PORTS, SUBNETS


def _asked(request) -> tuple[str | None, str | None]:
    body = request.body
    if not isinstance(body, dict) or not (body.get("subnet_id") or body.get("port_id")):
        raise refuse("Either subnet_id or port_id must be specified")
    for name in ("subnet_id", "port_id"):
        if body.get(name) is not None and not ids.is_uuid(body[name]):
            raise bad(f"Invalid input for {name}. Reason: '{body[name]}' is not a valid UUID.")
    return body.get("subnet_id"), body.get("port_id")


def _answer(router, port, subnet_ids: list[str]) -> dict[str, Any]:
    return {
        "id": router["id"],
        "project_id": router["project_id"],
        "port_id": port["id"],
        "network_id": port["network_id"],
        "subnet_id": subnet_ids[0],
        "subnet_ids": subnet_ids,
    }


def add(request, tx) -> dict[str, Any]:
    router = request.row
    subnet_id, port_id = _asked(request)
    if subnet_id and port_id:
        raise refuse("Cannot specify both subnet-id and port-id")
    if port_id:
        port = _given(request, tx, router, port_id)
    else:
        port = join(tx, router, SUBNET.find(tx, request.caller, str(subnet_id)))
    save(tx, router)
    rows.settle(tx, router)
    return _answer(router, port, [each["subnet_id"] for each in port["fixed_ips"]])


def join(tx, router, subnet):
    """Give the router a port on the subnet, with the subnet's gateway address."""
    if subnet["gateway_ip"] is None:
        raise refuse("Subnet for router interface must have a gateway IP")
    _check_fits(tx, router, [subnet])
    network = tx.one(NETWORKS, lock=False, id=subnet["network_id"])
    return port_rows.create(
        tx,
        network,
        project_id=router["project_id"],
        groups=[],
        device_id=router["id"],
        device_owner=port_rows.ROUTER_INTERFACE,
        quota=False,
        fixed_ips=[{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}],
    )


def _given(request, tx, router, port_id: str):
    port = PORT.find(tx, request.caller, port_id)
    if port["device_id"]:
        raise Error(
            409,
            "PortInUse",
            f"Unable to complete operation on port {port['id']} for network "
            f"{port['network_id']}. Port already has an attached device "
            f"{port['device_id']}.",
        )
    if not port["fixed_ips"]:
        raise refuse("Router port must have at least one fixed IP")
    if sum(":" not in each["ip_address"] for each in port["fixed_ips"]) > 1:
        raise refuse("Cannot have multiple IPv4 subnets on router port")
    _check_fits(tx, router, tx.all(SUBNETS, id=[each["subnet_id"] for each in port["fixed_ips"]]))
    if port["host"]:
        port_rows.displace(tx, port)
    if port["security_groups"]:
        port_rows.set_groups(tx, port, [])
    port_rows.port_changed(
        tx,
        port,
        device_id=router["id"],
        device_owner=port_rows.ROUTER_INTERFACE,
        port_security_enabled=False,
        allowed_address_pairs=[],
    )
    return port


def _check_fits(tx, router, new: list) -> None:
    held = {each["subnet_id"] for port in rows.interfaces(tx, router["id"]) for each in port["fixed_ips"]}
    for subnet in new:
        if subnet["id"] in held:
            raise refuse(f"Router already has a port on subnet {subnet['id']}")
    held.update(each["subnet_id"] for each in router["gateway_ips"])
    for other in tx.all(SUBNETS, id=list(held)):
        for subnet in new:
            if _overlap(subnet, other):
                raise refuse(
                    f"Cidr {subnet['cidr']} of subnet {subnet['id']} overlaps with cidr {other['cidr']} of "
                    f"subnet {other['id']}"
                )


def _overlap(one, other) -> bool:
    return one["ip_version"] == other["ip_version"] and parsed_network(one["cidr"]).overlaps(
        parsed_network(other["cidr"])
    )


def remove(request, tx) -> dict[str, Any]:
    router = request.row
    subnet_id, port_id = _asked(request)
    port = _leg(tx, router, subnet_id, port_id)
    subnet_ids = [each["subnet_id"] for each in port["fixed_ips"]]
    if subnet_id:
        subnet_ids.remove(subnet_id)
        subnet_ids.insert(0, subnet_id)
    check_free(tx, router, port)
    answer = _answer(router, port, subnet_ids)
    port_rows.delete(tx, port)
    save(tx, router)
    rows.settle(tx, router)
    return answer


def _leg(tx, router, subnet_id: str | None, port_id: str | None):
    legs = rows.interfaces(tx, router["id"])
    if port_id:
        port = next((each for each in legs if each["id"] == port_id), None)
        if port is None:
            raise Error(
                404,
                "RouterInterfaceNotFound",
                f"Router {router['id']} does not have an interface with id {port_id}",
            )
        if subnet_id and subnet_id not in [each["subnet_id"] for each in port["fixed_ips"]]:
            raise Error(
                409,
                "SubnetMismatchForPort",
                f"Subnet on port {port_id} does not match the requested subnet {subnet_id}.",
            )
        return port
    for port in legs:
        if any(each["subnet_id"] == subnet_id for each in port["fixed_ips"]):
            return port
    raise Error(
        404,
        "RouterInterfaceNotFoundForSubnet",
        f"Router {router['id']} has no interface on subnet {subnet_id}",
    )


def check_free(tx, router, port) -> None:
    """Floating IPs and routes that need this leg keep it."""
    subnets = tx.all(SUBNETS, id=[each["subnet_id"] for each in port["fixed_ips"]])
    reached = {
        row["port_id"]: row["fixed_ip_address"] for row in tx.all(FLOATING_IPS, router_id=router["id"])
    }
    inner = tx.all(PORTS, id=list(reached), network_id=port["network_id"]) if reached else []
    for subnet in subnets:
        for guest in inner:
            if _inside(subnet, reached[guest["id"]]):
                raise Error(
                    409,
                    "RouterInterfaceInUseByFloatingIP",
                    f"Router interface for subnet {subnet['id']} on router {router['id']} cannot be deleted, "
                    "as it is required by one or more floating IPs.",
                )
        for route in router["routes"]:
            if _inside(subnet, route["nexthop"]):
                raise Error(
                    409,
                    "RouterInterfaceInUseByRoute",
                    f"Router interface for subnet {subnet['id']} on router {router['id']} cannot be deleted, "
                    "as it is required by one or more routes.",
                )


def _inside(subnet, address: str) -> bool:
    return ipaddress.ip_address(address) in parsed_network(subnet["cidr"])
