"""How full networks are: addresses there could be, and addresses that are taken.

Source: networking API reference, "Network IP availability and usage stats".
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.resource import ANYONE, Route
from monostack.network import addresses
from monostack.network.checks import parsed_network
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.tables import ADDRESSES, NETWORKS, SUBNETS

FILTERS = ("network_id", "network_name", "project_id", "tenant_id")
_USED = query(sa.select(ADDRESSES.c.subnet_id, sa.func.count().label("used")).group_by(ADDRESSES.c.subnet_id))
_POSITIONS = query(sa.select(ADDRESSES.c.position).where(ADDRESSES.c.subnet_id == sa.bindparam("in_subnet")))


def _subnet(db, subnet, used: int) -> dict[str, Any]:
    network = parsed_network(subnet["cidr"])
    ranges = addresses.spans(subnet)
    pool = sum(
        int(ip_address(each["end"])) - int(ip_address(each["start"])) + 1
        for each in subnet["allocation_pools"]
    )
    whole = network.num_addresses - (2 if network.version == 4 and network.num_addresses > 2 else 0)
    inside = 0
    if used:
        inside = sum(
            any(first <= row["position"] <= last for first, last in ranges)
            for row in db.run(_POSITIONS, in_subnet=subnet["id"])
            if row["position"] is not None
        )
    return {
        "subnet_id": subnet["id"],
        "subnet_name": subnet["name"],
        "ip_version": subnet["ip_version"],
        "cidr": subnet["cidr"],
        "total_ips": pool,
        "used_ips": used,
        "ip_availability_details": _details(whole, pool, used, inside),
    }


def _details(whole: int, pool: int, used: int, inside: int) -> dict[str, int]:
    return {
        "total_ips_in_subnet": whole,
        "total_ips_in_allocation_pool": pool,
        "used_ips_in_subnet": used,
        "used_ips_in_allocation_pool": inside,
    }


def _view(db, network, subnets: list, used: dict[str, int]) -> dict[str, Any]:
    parts = [_subnet(db, subnet, used.get(subnet["id"], 0)) for subnet in subnets]
    details = [part["ip_availability_details"] for part in parts]
    return {
        "network_id": network["id"],
        "network_name": network["name"],
        "project_id": network["project_id"],
        "tenant_id": network["project_id"],
        "subnet_ip_availability": parts,
        "used_ips": sum(part["used_ips"] for part in parts),
        "total_ips": sum(part["total_ips"] for part in parts),
        "ip_availability_details": {
            name: sum(each[name] for each in details) for name in _details(0, 0, 0, 0)
        },
    }


def index(request, db) -> dict[str, Any]:
    if not request.allowed("get_network_ip_availability"):
        return {"network_ip_availabilities": []}
    where: dict[str, Any] = {}
    for name in FILTERS:
        if name in request.query:
            column = {"network_id": "id", "network_name": "name", "tenant_id": "project_id"}.get(name, name)
            where[column] = request.query_all(name)
    versions = set(request.query_all("ip_version"))
    by_network: dict[str, list] = {}
    for subnet in db.all(SUBNETS, order=("created_at", "id")):
        if not versions or str(subnet["ip_version"]) in versions:
            by_network.setdefault(subnet["network_id"], []).append(subnet)
    used = {row["subnet_id"]: row["used"] for row in db.run(_USED)}
    networks = db.all(NETWORKS, order="id", **where)
    return {
        "network_ip_availabilities": [
            _view(db, network, by_network.get(network["id"], []), used) for network in networks
        ]
    }


def show(request, db) -> dict[str, Any]:
    network = NETWORK.find(db, request.caller, request.path["id"])
    if not request.allowed("get_network_ip_availability"):
        raise NETWORK.not_found(network["id"])
    subnets = db.all(SUBNETS, order=("created_at", "id"), network_id=network["id"])
    used = {subnet["id"]: db.count(ADDRESSES, subnet_id=subnet["id"]) for subnet in subnets}
    return {"network_ip_availability": _view(db, network, subnets, used)}


ROUTES = (
    Route("GET", "/v2.0/network-ip-availabilities", index, ANYONE),
    Route("GET", "/v2.0/network-ip-availabilities/{id}", show, ANYONE),
)
