"""Floating addresses in compute's old shape: taken from a pool, which is an external network, and put on a
server.

Source: compute API reference, "Floating IPs", "Floating IP pools" (deprecated, until 2.35) and the actions
addFloatingIp, removeFloatingIp (until 2.43).
"""

from __future__ import annotations

from typing import Any

from monostack.compute.networking.security_groups import in_computes_words
from monostack.compute.servers import rows
from monostack.kit.errors import Error
from monostack.kit.resource import Response, Route

RULE = "os_compute_api:os-floating-ips:"
LAST, LAST_ACTION = (2, 35), (2, 43)
KIND = "floatingip"


def pools(request, db) -> dict[str, Any]:
    from monostack import network

    return {
        "floating_ip_pools": [{"name": row["name"] or row["id"]} for row in network.external_networks(db)]
    }


def index(request, db) -> dict[str, Any]:
    from monostack import network

    found = network.of_project(db, KIND, request.caller.project_id)
    return {"floating_ips": [_shown(db, row) for row in found]}


def show(request, db) -> dict[str, Any]:
    return {"floating_ip": _shown(db, _find(request, db))}


def create(request, tx) -> dict[str, Any]:
    """An address of the pool that is named by name or id, or of the first one."""
    from monostack import network

    body = request.body or {}
    if not isinstance(body, dict):
        raise Error(400, "BadRequest", 'The body must be an object such as {"pool": "public"}, or empty.')
    wanted = body.get("pool")
    offered = network.external_networks(tx)
    if wanted is not None:
        offered = [row for row in offered if wanted in (row["id"], row["name"])]
    if not offered:
        raise Error(404, "FloatingIpPoolNotFound", "Floating IP pool not found.")
    with in_computes_words():
        row = network.make(tx, request.caller, KIND, floating_network_id=offered[0]["id"])
    request.subject = row["id"]
    return {"floating_ip": _shown(tx, row)}


def delete(request, tx) -> Response:
    from monostack import network

    network.drop(tx, request.caller, KIND, _find(request, tx)["id"])
    return Response(202)


def add(request, tx) -> None:
    """Put an address on a server, on its first IPv4 address or the one that is named."""
    from monostack import network

    server, asked = rows.find(tx, request), request.body["addFloatingIp"]
    row = _by_address(request, tx, asked["address"])
    inside = [
        (port["id"], fixed["ip_address"])
        for port in network.ports_of(tx, [server["id"]]).get(server["id"], ())
        for fixed in port["fixed_ips"]
        if fixed["version"] == 4
    ]
    if not inside:
        raise Error(400, "BadRequest", "No fixed IPs associated to instance")
    fixed = asked.get("fixed_address")
    if fixed is not None:
        inside = [each for each in inside if each[1] == fixed]
        if not inside:
            raise Error(400, "BadRequest", "Specified fixed address not assigned to instance")
    port_id, address = inside[0]
    with in_computes_words():
        network.change(tx, request.caller, KIND, row["id"], port_id=port_id, fixed_ip_address=address)


def remove(request, tx) -> None:
    from monostack import network

    server, address = rows.find(tx, request), request.body["removeFloatingIp"]["address"]
    row = _by_address(request, tx, address)
    if _server_of(tx, row) != server["id"]:
        raise Error(
            409,
            "FloatingIpNotAssociated",
            f"Floating IP {address} is not associated with instance {server['id']}.",
        )
    with in_computes_words():
        network.change(tx, request.caller, KIND, row["id"], port_id=None)


def _find(request, db) -> Any:
    from monostack import network

    floating_ip_id = request.path["id"]
    try:
        return network.find(db, request.caller, KIND, floating_ip_id)
    except Error:
        raise Error(404, "FloatingIpNotFound", f"Floating IP not found for ID {floating_ip_id}") from None


def _by_address(request, tx, address: str) -> Any:
    from monostack import network

    for row in network.of_project(tx, KIND, request.caller.project_id):
        if row["floating_ip_address"] == address:
            return row
    raise Error(404, "FloatingIpNotFoundForAddress", "floating IP not found")


def _server_of(db, row) -> str | None:
    from monostack import network

    port = network.port(db, row["port_id"]) if row["port_id"] else None
    if port is None or not (port["device_owner"] or "").startswith("compute:"):
        return None
    return port["device_id"]


def _shown(db, row) -> dict[str, Any]:
    from monostack import network

    pool = network.network(db, row["floating_network_id"])
    return {
        "id": row["id"],
        "ip": row["floating_ip_address"],
        "pool": (pool["name"] or pool["id"]) if pool else "",
        "fixed_ip": row["fixed_ip_address"],
        "instance_id": _server_of(db, row),
    }


def _action(handler, name: str, rule: str, body: str) -> Route:
    return Route(
        "POST",
        "/servers/{id}/action",
        handler,
        RULE + rule,
        ok=202,
        action=name,
        until=LAST_ACTION,
        body=f"floating_ips.{body}",
        target=rows.target,
        event=f"compute.instance.{body}",
    )


PATH = "/os-floating-ips"

ROUTES = (
    Route(
        "GET",
        "/os-floating-ip-pools",
        pools,
        "os_compute_api:os-floating-ip-pools",
        until=LAST,
        query="floating_ip_pools.index",
    ),
    Route("GET", PATH, index, RULE + "list", until=LAST),
    Route(
        "POST",
        PATH,
        create,
        RULE + "create",
        ok=200,
        until=LAST,
        event="compute.floating_ip.create",
    ),
    Route("GET", PATH + "/{id}", show, RULE + "show", until=LAST),
    Route("DELETE", PATH + "/{id}", delete, RULE + "delete", until=LAST, event="compute.floating_ip.delete"),
    _action(add, "addFloatingIp", "add", "add_floating_ip"),
    _action(remove, "removeFloatingIp", "remove", "remove_floating_ip"),
)
