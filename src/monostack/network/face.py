"""The functions behind the face of networking (see the package's docstring)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.network import security_groups as groups
from monostack.network import sharing
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.networks import SEEN
from monostack.network.ports import rows
from monostack.network.tables import (
    ADDRESSES,
    FLOATING_IPS,
    NETWORKS,
    PORTS,
    SECURITY_GROUPS,
    all_in,
)

_AT_ADDRESS = query(
    sa.select(PORTS)
    .join(ADDRESSES, ADDRESSES.c.port_id == PORTS.c.id)
    .where(ADDRESSES.c.network_id == sa.bindparam("on_network"), ADDRESSES.c.address == sa.bindparam("at"))
    .limit(1),
    PORTS,
)

_SEEN = query(sa.select(NETWORKS).where(SEEN).order_by(NETWORKS.c.created_at, NETWORKS.c.id), NETWORKS)


def create_port(
    tx,
    *,
    project_id: str,
    network_id: str,
    caller=None,
    security_groups: list[str] | None = None,
    host: str | None = None,
    **options: Any,
):
    if caller is not None:
        network = NETWORK.find(tx, caller, network_id)
    else:
        network = tx.one(NETWORKS, lock=False, id=network_id, missing=NETWORK.not_found(network_id))
    return rows.create(
        tx,
        network,
        project_id=project_id,
        groups=security_groups,
        host=host,
        see_all=caller is None or caller.admin,
        **options,
    )


def bind_port(tx, port, *, host: str | None, device_id: str, device_owner: str, hostname: str | None) -> None:
    changes = {"device_id": device_id, "device_owner": device_owner}
    if hostname is not None:
        changes["hostname"] = hostname
    if host is None:
        rows.port_changed(tx, port, **changes)
        return
    rows.place(tx, port, host, **changes)
    tx.hook("network.port.changed", port)


def unbind_port(tx, port) -> None:
    rows.displace(tx, port, device_id="", device_owner="")
    tx.hook("network.port.changed", port)


def ports_of(db, device_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {device_id: [] for device_id in device_ids}
    found = all_in(db, PORTS, "device_id", out, order=("created_at", "id"))
    if not found:
        return out
    names = {row["id"]: row for row in all_in(db, NETWORKS, "id", {port["network_id"] for port in found})}
    floating: dict[str, list] = {}
    for row in all_in(db, FLOATING_IPS, "port_id", [port["id"] for port in found], order="created_at"):
        floating.setdefault(row["port_id"], []).append(
            {
                "id": row["id"],
                "floating_ip_address": row["floating_ip_address"],
                "fixed_ip_address": row["fixed_ip_address"],
            }
        )
    for port in found:
        out[port["device_id"]].append(
            _view(port, names.get(port["network_id"]), floating.get(port["id"], []))
        )
    return out


def _view(port, network, floating_ips: list[dict]) -> dict[str, Any]:
    return {
        "id": port["id"],
        "name": port["name"],
        "device_id": port["device_id"],
        "network_id": port["network_id"],
        "network_name": network["name"] if network else "",
        "mtu": network["mtu"] if network else None,
        "mac_address": port["mac_address"],
        "floating_ips": floating_ips,
        "status": port["status"],
        "fixed_ips": [
            each | {"version": 6 if ":" in each["ip_address"] else 4} for each in port["fixed_ips"]
        ],
        "security_groups": port["security_groups"],
        "host": port["host"],
        "vif_type": port["vif_type"],
        "port_security_enabled": port["port_security_enabled"],
    }


def networks_for(db, caller, project_id: str) -> list:
    found = db.run(_SEEN, viewer=project_id)
    admin = caller is not None and caller.admin
    open_to = sharing.granted_among(db, [row["id"] for row in found], project_id)
    return [
        row
        for row in found
        if row["project_id"] == project_id or row["id"] in open_to or (admin and row["external"])
    ]


def find_security_group(db, project_id: str, name_or_id: str):
    row = db.one(SECURITY_GROUPS, lock=False, id=name_or_id)
    if row is not None:
        mine = row["project_id"] == project_id or sharing.is_granted(db, row["id"], project_id)
        return row if mine else None
    if name_or_id == groups.DEFAULT and db.writes:
        return groups.default_of(db, project_id)
    found = db.all(SECURITY_GROUPS, project_id=project_id, name=name_or_id, limit=2)
    if len(found) > 1:
        raise Error(
            409,
            "NoUniqueMatch",
            f"Multiple security groups found matching '{name_or_id}'. Use an ID to be more specific.",
        )
    return found[0] if found else None


def port_by_address(db, network_id: str, ip: str):
    return db.first(_AT_ADDRESS, on_network=network_id, at=ip)
