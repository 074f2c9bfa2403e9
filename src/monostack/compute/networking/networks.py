"""Networks in compute's old shapes: most of what they once said is null now.

Source: compute API reference, "Networks", "Project networks" (deprecated, until 2.35).
"""

from __future__ import annotations

from typing import Any

from monostack.kit.errors import Error
from monostack.kit.resource import Route

LAST = (2, 35)
EMPTY = dict.fromkeys(
    (
        "bridge", "vpn_public_port", "dhcp_start", "bridge_interface", "updated_at", "cidr_v6", "deleted_at",
        "gateway", "rxtx_base", "priority", "project_id", "vpn_private_address", "deleted", "vlan",
        "broadcast", "netmask", "injected", "cidr", "vpn_public_address", "multi_host", "dns2", "created_at",
        "host", "gateway_v6", "netmask_v6", "dns1", "mtu", "dhcp_server", "enable_dhcp", "share_address",
    )
)  # fmt: skip


def _whole(row) -> dict[str, Any]:
    return EMPTY | {"id": row["id"], "label": row["name"]}


def _of_tenant(row) -> dict[str, Any]:
    return {"id": row["id"], "label": row["name"], "cidr": "None"}


def _index(shape):
    def index(request, db) -> dict[str, Any]:
        return {"networks": [shape(row) for row in _offered(request, db)]}

    return index


def _show(shape):
    def show(request, db) -> dict[str, Any]:
        network_id = request.path["id"]
        for row in _offered(request, db):
            if row["id"] == network_id:
                return {"network": shape(row)}
        raise Error(404, "NetworkNotFound", "Network not found")

    return show


def _offered(request, db) -> list:
    """Those that the project may use: its own, the shared ones and the outside."""
    from monostack import network

    found = network.networks_for(db, request.caller, request.caller.project_id)
    known = {row["id"] for row in found}
    return found + [row for row in network.external_networks(db) if row["id"] not in known]


def _routes(path: str, rule: str, shape) -> tuple[Route, ...]:
    return (
        Route("GET", path, _index(shape), rule + "list", until=LAST),
        Route("GET", path + "/{id}", _show(shape), rule + "show", until=LAST),
    )


ROUTES = (
    *_routes("/os-networks", "os_compute_api:os-networks:", _whole),
    *_routes("/os-tenant-networks", "os_compute_api:os-tenant-networks:", _of_tenant),
)
