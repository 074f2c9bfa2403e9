"""The way out of a router: a port on an external network.

The address of that port is what the router's projects are seen with outside, unless SNAT is off. A gateway
that floating IPs hang on cannot be taken away or moved.

Source: networking API reference, "Routers", external_gateway_info.
"""

from __future__ import annotations

from typing import Any

from monostack.kit.errors import Error
from monostack.network import checks
from monostack.network.collection import save
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.ports import rows as port_rows
from monostack.network.routers.rows import refuse
from monostack.network.tables import FLOATING_IPS, PORTS

KEYS = {"network_id", "enable_snat", "external_fixed_ips", "qos_policy_id"}


def check(value: Any) -> dict[str, Any] | None:
    """What a caller may say of the gateway; None or {} takes it away."""
    if not value:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not an object")
    unknown = set(value) - KEYS
    if unknown:
        raise ValueError(f"it has no {', '.join(sorted(unknown))}: there are {', '.join(sorted(KEYS))}")
    if "network_id" not in value:
        raise ValueError("network_id is needed")
    out: dict[str, Any] = {"network_id": checks.uuid(value["network_id"])}
    if "enable_snat" in value:
        out["enable_snat"] = checks.boolean(value["enable_snat"])
    if value.get("external_fixed_ips") is not None:
        out["external_fixed_ips"] = checks.fixed_ips(value["external_fixed_ips"])
    return out


def view(router) -> dict[str, Any] | None:
    """The gateway as routers show it."""
    if router["gateway_network_id"] is None:
        return None
    return {
        "network_id": router["gateway_network_id"],
        "external_fixed_ips": router["gateway_ips"],
        "enable_snat": router["enable_snat"],
    }


def change(request, tx, router, wanted: dict[str, Any] | None) -> None:
    """Let the router have this gateway, or none."""
    before = router["gateway_network_id"]
    if before is not None and (wanted is None or wanted["network_id"] != before):
        _take_away(tx, router)
    if wanted is None:
        return
    attach(tx, router, NETWORK.find(tx, request.caller, wanted["network_id"]), wanted)


def attach(tx, router, network, wanted: dict[str, Any]) -> None:
    """Give the router a port on the external network, or change the one that it has."""
    if not network["external"]:
        raise refuse(f"Network {network['id']} is not an external network")
    if router["gateway_network_id"] is None:
        port = _make(tx, router, network, wanted.get("external_fixed_ips"))
    else:
        port = tx.one(PORTS, id=router["gateway_port_id"])
        if "external_fixed_ips" in wanted:
            port_rows.set_addresses(tx, port, network, wanted["external_fixed_ips"])
    save(
        tx,
        router,
        gateway_network_id=network["id"],
        gateway_port_id=port["id"],
        gateway_ips=port["fixed_ips"],
        enable_snat=wanted.get("enable_snat", True),
    )


def _make(tx, router, network, fixed_ips: list[dict] | None):
    return port_rows.create(
        tx,
        network,
        project_id="",
        groups=[],
        quota=False,
        device_id=router["id"],
        device_owner=port_rows.ROUTER_GATEWAY,
        fixed_ips=fixed_ips,
    )


def _take_away(tx, router) -> None:
    network_id = router["gateway_network_id"]
    if tx.one(FLOATING_IPS, router_id=router["id"]) is not None:
        raise Error(
            409,
            "RouterExternalGatewayInUseByFloatingIp",
            f"Gateway cannot be updated for router {router['id']}, since a gateway to external network "
            f"{network_id} is required by one or more floating IPs.",
        )
    port = tx.one(PORTS, id=router["gateway_port_id"])
    save(tx, router, gateway_network_id=None, gateway_port_id=None, gateway_ips=[])
    if port is not None:
        port_rows.delete(tx, port)
