"""Parts: what a host is told of networks, groups, ports and routers, and what its facts settle.

A part is built from the rows at the moment it is asked for; the line in `network_parts` only says that the
host should have it and in which version. A port is ACTIVE once the host that it is bound to has reported it
in that version; DHCP and router ports once a host has reported their network or router. A report about an
older version settles nothing: the newer one is under way.

Shapes: the node's parts and facts.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from monostack.kit.db import ne, query
from monostack.kit.resource import PartKind
from monostack.network import dhcp
from monostack.network.checks import parsed_network
from monostack.network.hosting import PARTS
from monostack.network.ports import rows as port_rows
from monostack.network.tables import (
    ADDRESSES,
    FLOATING_IPS,
    NETWORKS,
    PORT_GROUPS,
    PORTS,
    ROUTERS,
    SECURITY_GROUP_RULES,
    SECURITY_GROUPS,
    SUBNETS,
)

_WANTED = query(
    sa.select(PARTS.c.part_id, PARTS.c.version).where(
        PARTS.c.host == sa.bindparam("on_host"), PARTS.c.kind == sa.bindparam("of_kind")
    )
)
_MEMBERS = query(
    sa.select(ADDRESSES.c.address)
    .join(PORT_GROUPS, PORT_GROUPS.c.port_id == ADDRESSES.c.port_id)
    .where(PORT_GROUPS.c.security_group_id == sa.bindparam("of_group"))
)
_PAIRS = query(
    sa.select(PORTS.c.allowed_address_pairs)
    .join(PORT_GROUPS, PORT_GROUPS.c.port_id == PORTS.c.id)
    .where(PORT_GROUPS.c.security_group_id == sa.bindparam("of_group"), PORTS.c.allowed_address_pairs != [])
)


def _wanted(kind: str):
    def wanted(db, host: str) -> list[tuple[str, int]]:
        return [(row["part_id"], row["version"]) for row in db.run(_WANTED, on_host=host, of_kind=kind)]

    return wanted


def _load(kind: str, build):
    def load(db, id: str, host: str) -> dict[str, Any] | None:  # noqa: A002
        line = db.one(PARTS, lock=False, host=host, kind=kind, part_id=id)
        if line is None:
            return None
        head = {"version": line["version"], "desired": line["desired"]}
        if line["desired"] == "absent":
            return head
        body = build(db, id)
        return None if body is None else head | body

    return load


def _settle(kind: str, arrived):
    def settle(tx, host: str, fact: dict[str, Any]) -> None:
        line = tx.one(PARTS, host=host, kind=kind, part_id=fact["id"])
        if line is None or fact.get("version") != line["version"]:
            return
        if fact["state"] == "absent":
            if line["desired"] == "absent":
                tx.delete(line)
            elif line["state"] != "absent" or line["error"] != fact.get("error"):
                tx.set(line, state="absent", error=fact.get("error"), settled_version=None)
            return
        news = (fact["state"], line["version"], fact.get("error"))
        if news != (line["state"], line["settled_version"], line["error"]):
            tx.set(line, state=fact["state"], settled_version=line["version"], error=fact.get("error"))
            if fact.get("error"):
                tx.event(f"network.{kind}.error", fact["id"], host=host, cause=fact["error"])
        if line["desired"] == "present" and not fact.get("error"):
            arrived(tx, host, fact)

    return settle


# networks


def network_part(db, id: str) -> dict[str, Any] | None:  # noqa: A002
    network = db.one(NETWORKS, lock=False, id=id)
    if network is None:
        return None
    port = dhcp.port_of(db, id)
    served = {each["subnet_id"]: each["ip_address"] for each in port["fixed_ips"]} if port is not None else {}
    subnets = db.all(SUBNETS, order=("created_at", "id"), network_id=id)
    return {
        "name": network["name"],
        "mtu": network["mtu"],
        "external": network["external"],
        "physical_network": network["physical_network"],
        "segment": network["segmentation_id"] or 0,
        "subnets": [_subnet(subnet, served.get(subnet["id"]), port) for subnet in subnets],
    }


def _subnet(subnet, dhcp_ip: str | None, port) -> dict[str, Any]:
    return {
        "id": subnet["id"],
        "cidr": subnet["cidr"],
        "ip_version": subnet["ip_version"],
        "gateway_ip": subnet["gateway_ip"],
        "enable_dhcp": subnet["enable_dhcp"],
        "dhcp_ip": dhcp_ip,
        "dhcp_mac": port["mac_address"] if dhcp_ip else None,
        "dns_nameservers": subnet["dns_nameservers"],
        "host_routes": subnet["host_routes"],
        "ipv6_ra_mode": subnet["ipv6_ra_mode"],
        "ipv6_address_mode": subnet["ipv6_address_mode"],
    }


def _network_arrived(tx, host: str, fact: dict[str, Any]) -> None:
    port = dhcp.port_of(tx, fact["id"])
    if port is not None and port["status"] != "ACTIVE" and port["admin_state_up"]:
        tx.set(port, status="ACTIVE", revision_number=port["revision_number"] + 1)


# security groups


def group_part(db, id: str) -> dict[str, Any] | None:  # noqa: A002
    group = db.one(SECURITY_GROUPS, lock=False, id=id)
    if group is None:
        return None
    members = set(db.values(_MEMBERS, of_group=id))
    for row in db.run(_PAIRS, of_group=id):
        members.update(pair["ip_address"] for pair in row["allowed_address_pairs"])
    rules = db.all(SECURITY_GROUP_RULES, order="id", security_group_id=id)
    return {
        "stateful": group["stateful"],
        "rules": [_rule(rule) for rule in rules],
        "members": sorted(members),
    }


def _rule(rule) -> dict[str, Any]:
    return {
        "id": rule["id"],
        "direction": rule["direction"],
        "ethertype": rule["ethertype"],
        "protocol": rule["protocol"],
        "port_min": rule["port_range_min"],
        "port_max": rule["port_range_max"],
        "remote_ip_prefix": rule["normalized_cidr"],
        "remote_group_id": rule["remote_group_id"],
    }


def _nothing(tx, host: str, fact: dict[str, Any]) -> None:
    """Nobody waits for this kind."""


# ports


def _addresses(db, fixed_ips: list[dict]) -> list[dict[str, Any]]:
    subnets = {row["id"]: row for row in db.all(SUBNETS, id=[each["subnet_id"] for each in fixed_ips])}
    return [
        {
            "subnet_id": each["subnet_id"],
            "ip": each["ip_address"],
            "prefix": parsed_network(subnets[each["subnet_id"]]["cidr"]).prefixlen,
        }
        for each in fixed_ips
        if each["subnet_id"] in subnets
    ]


def port_part(db, id: str) -> dict[str, Any] | None:  # noqa: A002
    port = db.one(PORTS, lock=False, id=id)
    if port is None:
        return None
    network = db.one(NETWORKS, lock=False, id=port["network_id"])
    return {
        "network_id": port["network_id"],
        "mac": port["mac_address"],
        "mtu": network["mtu"],
        "fixed_ips": _addresses(db, port["fixed_ips"]),
        "device_owner": port["device_owner"],
        "device_id": port["device_id"],
        "hostname": port["hostname"] or _hostname(port),
        "port_security": port["port_security_enabled"],
        "security_groups": port["security_groups"],
        "allowed_address_pairs": port["allowed_address_pairs"],
        "admin_up": port["admin_state_up"],
    }


def _hostname(port) -> str:
    """The name a lease tells when nobody named the guest."""
    if not port["fixed_ips"]:
        return f"host-{port['id'][:8]}"
    return "host-" + port["fixed_ips"][0]["ip_address"].replace(".", "-").replace(":", "-")


def _port_arrived(tx, host: str, fact: dict[str, Any]) -> None:
    port = tx.one(PORTS, id=fact["id"])
    if port is None or port["host"] != host:
        return
    port_rows.tell_forwarded(tx, port, fact.get("forwarded"))
    status = "ACTIVE" if port["admin_state_up"] else "DOWN"
    if port["status"] == status:
        return
    tx.set(port, status=status, revision_number=port["revision_number"] + 1)
    if status == "ACTIVE":
        tx.event("network.port.up", port["id"], host=host, project_id=port["project_id"])
        tx.hook("network.port.up", port)


# routers


def router_part(db, id: str) -> dict[str, Any] | None:  # noqa: A002
    router = db.one(ROUTERS, lock=False, id=id)
    if router is None:
        return None
    ports = db.all(PORTS, order=("created_at", "id"), device_id=id)
    interfaces = [port for port in ports if port["device_owner"] == port_rows.ROUTER_INTERFACE]
    gateway = next((port for port in ports if port["id"] == router["gateway_port_id"]), None)
    floating_ips = db.all(FLOATING_IPS, order="id", router_id=id)
    return {
        "name": router["name"],
        "admin_up": router["admin_state_up"],
        "external": _external(db, router, gateway) if gateway is not None else None,
        "interfaces": [
            {
                "port_id": port["id"],
                "network_id": port["network_id"],
                "mac": port["mac_address"],
                "ips": _addresses(db, port["fixed_ips"]),
            }
            for port in interfaces
        ],
        "floating_ips": [
            {
                "id": each["id"],
                "floating_ip": each["floating_ip_address"],
                "fixed_ip": each["fixed_ip_address"],
            }
            for each in floating_ips
            if each["port_id"]
        ],
        "routes": router["routes"],
    }


def _external(db, router, port) -> dict[str, Any]:
    subnets = db.all(SUBNETS, id=[each["subnet_id"] for each in port["fixed_ips"]])
    plain = sorted((row for row in subnets if row["gateway_ip"]), key=lambda row: row["ip_version"])
    return {
        "network_id": port["network_id"],
        "mac": port["mac_address"],
        "ips": _addresses(db, port["fixed_ips"]),
        "gateway_ip": plain[0]["gateway_ip"] if plain else None,
        "enable_snat": router["enable_snat"],
    }


def _router_arrived(tx, host: str, fact: dict[str, Any]) -> None:
    router = tx.one(ROUTERS, id=fact["id"])
    if router is None or router["host"] != host:
        return
    for port in tx.all(PORTS, device_id=router["id"], status=ne("ACTIVE"), admin_state_up=True):
        if port["device_owner"].startswith("network:router"):
            tx.set(port, status="ACTIVE", revision_number=port["revision_number"] + 1)
    status = "ACTIVE" if router["admin_state_up"] else "DOWN"
    for floating_ip in tx.all(FLOATING_IPS, router_id=router["id"], status=ne(status)):
        tx.set(floating_ip, status=status, revision_number=floating_ip["revision_number"] + 1)
        tx.event(
            "network.floatingip.update", floating_ip["id"], host=host, project_id=floating_ip["project_id"]
        )


PART_KINDS = tuple(
    PartKind(kind, _wanted(kind), _load(kind, build), _settle(kind, arrived))
    for kind, build, arrived in (
        ("security_group", group_part, _nothing),
        ("network", network_part, _network_arrived),
        ("port", port_part, _port_arrived),
        ("router", router_part, _router_arrived),
    )
)
