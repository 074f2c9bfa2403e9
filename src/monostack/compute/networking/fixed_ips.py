"""One more fixed address for a server, or one less: the actions addFixedIp and removeFixedIp, until 2.43.

The address comes from the first subnet of the server's port on that network, and the port keeps the others.
The guest is not told; its DHCP client asks for one address only.

Source: compute API reference, "Add (Associate) Fixed Ip", "Remove (Disassociate) Fixed Ip" (deprecated).
"""

from __future__ import annotations

from typing import Any

from monostack.compute.networking.security_groups import in_computes_words
from monostack.compute.servers import rows
from monostack.kit.errors import Error
from monostack.kit.resource import Route

RULE = "os_compute_api:os-multinic:"
LAST = (2, 43)


def add(request, tx) -> None:
    network_id = str(request.body["addFixedIp"]["networkId"])
    server = _changeable(request, tx)
    for port in _ports(tx, server):
        if port["network_id"] == network_id and port["fixed_ips"]:
            subnet_id = port["fixed_ips"][0]["subnet_id"]
            _set(request, tx, port, [*_plain(port), {"subnet_id": subnet_id}])
            return
    raise Error(404, "NetworkNotFoundForInstance", f"Network {network_id} not found on the server's ports.")


def remove(request, tx) -> None:
    address = request.body["removeFixedIp"]["address"]
    server = _changeable(request, tx)
    for port in _ports(tx, server):
        left = [each for each in _plain(port) if each["ip_address"] != address]
        if len(left) < len(port["fixed_ips"]):
            _set(request, tx, port, left)
            return
    raise Error(
        400,
        "FixedIpNotFoundForInstance",
        f"Instance {server['id']} does not have fixed IP '{address}'.",
    )


def _changeable(request, tx) -> Any:
    server = rows.find(tx, request)
    if server["locked"] and not request.caller.admin:
        raise Error(409, "InstanceIsLocked", f"Instance {server['id']} is locked")
    return server


def _ports(tx, server) -> list[dict[str, Any]]:
    from monostack import network

    return network.ports_of(tx, [server["id"]]).get(server["id"], [])


def _plain(port: dict[str, Any]) -> list[dict[str, str]]:
    return [{"subnet_id": each["subnet_id"], "ip_address": each["ip_address"]} for each in port["fixed_ips"]]


def _set(request, tx, port: dict[str, Any], fixed_ips: list[dict[str, str]]) -> None:
    from monostack import network

    with in_computes_words():
        network.change(tx, request.caller, "port", port["id"], fixed_ips=fixed_ips)


def _action(handler, name: str, rule: str, body: str) -> Route:
    return Route(
        "POST",
        "/servers/{id}/action",
        handler,
        RULE + rule,
        ok=202,
        action=name,
        until=LAST,
        body=f"multinic.{body}",
        target=rows.target,
        event=f"compute.instance.{body}",
    )


ROUTES = (
    _action(add, "addFixedIp", "add", "add_fixed_ip"),
    _action(remove, "removeFixedIp", "remove", "remove_fixed_ip"),
)
