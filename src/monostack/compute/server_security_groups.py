"""The security groups of a server, shown with their rules: those of its ports.

They belong to networking; here they have the shape that compute gave them when they were its own: incoming
rules only, with `from_port` and `to_port`, and a range of addresses where nothing narrower was said.

Source: compute API reference, "List Security Groups By Server".
"""

from __future__ import annotations

from typing import Any

from monostack.compute.servers import rows
from monostack.kit.resource import Route

WITH_PORTS = ("tcp", "udp")
ALL_PORTS = (1, 65535)
NO_PORTS = (-1, -1)
EVERYWHERE = "0.0.0.0/0"


def index(request, db) -> dict[str, Any]:
    from monostack import network

    server = rows.find(db, request)
    ports = network.ports_of(db, [server["id"]]).get(server["id"], [])
    ids = list(dict.fromkeys(group_id for port in ports for group_id in port["security_groups"]))
    groups = {group["id"]: group for group in network.groups_with_rules(db, ids)}
    named = {rule["remote_group_id"] for group in groups.values() for rule in group["security_group_rules"]}
    others = network.groups_with_rules(db, sorted(named - set(groups) - {None}))
    known = groups | {group["id"]: group for group in others}
    return {"security_groups": [_group(groups[group_id], known) for group_id in ids if group_id in groups]}


def _group(group: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    incoming = [rule for rule in group["security_group_rules"] if rule["direction"] == "ingress"]
    return {
        "id": group["id"],
        "description": group["description"],
        "name": group["name"],
        "tenant_id": group["project_id"],
        "rules": [_rule(rule, known) for rule in incoming],
    }


def _rule(rule: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    first, last = rule["port_range_min"], rule["port_range_max"]
    if rule["protocol"] and first is None and last is None:
        first, last = ALL_PORTS if rule["protocol"].lower() in WITH_PORTS else NO_PORTS
    other = known.get(rule["remote_group_id"])
    return {
        "id": rule["id"],
        "parent_group_id": rule["security_group_id"],
        "ip_protocol": rule["protocol"],
        "from_port": first,
        "to_port": last,
        "group": {"name": other["name"], "tenant_id": other["project_id"]} if other else {},
        "ip_range": {} if rule["remote_group_id"] else {"cidr": rule["remote_ip_prefix"] or EVERYWHERE},
    }


ROUTES = (
    Route(
        "GET",
        "/servers/{id}/os-security-groups",
        index,
        "os_compute_api:os-security-groups:list",
        target=rows.target,
    ),
)
