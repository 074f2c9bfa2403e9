"""The rules that new security groups are born with, as a list to read.

Source: networking API reference, "Default security group rules".
"""

from __future__ import annotations

import uuid
from typing import Any

from monostack.kit.errors import Error
from monostack.kit.resource import Route

NAMES = uuid.UUID("0f4be5c2-1f5e-4b53-9c80-6f1b0a3f7d21")


def _rule(direction: str, ethertype: str) -> dict[str, Any]:
    inside = direction == "ingress"
    return {
        "id": str(uuid.uuid5(NAMES, f"{direction}/{ethertype}")),
        "ethertype": ethertype,
        "direction": direction,
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_address_group_id": None,
        "remote_group_id": "PARENT" if inside else None,
        "description": f"Default SG rule for {direction} traffic",
        "used_in_default_sg": True,
        "used_in_non_default_sg": not inside,
    }


RULES = tuple(
    _rule(direction, ethertype) for direction in ("egress", "ingress") for ethertype in ("IPv4", "IPv6")
)


def index(request, db) -> dict[str, Any]:
    found = [
        rule
        for rule in RULES
        if all(str(rule.get(name)) in request.query_all(name) for name in rule if name in request.query)
    ]
    return {"default_security_group_rules": found}


def show(request, db) -> dict[str, Any]:
    for rule in RULES:
        if rule["id"] == request.path["id"]:
            return {"default_security_group_rule": rule}
    raise Error(
        404,
        "DefaultSecurityGroupRuleNotFound",
        f"Default security group rule {request.path['id']} does not exist",
    )


PATH = "/v2.0/default-security-group-rules"

ROUTES = (
    Route("GET", PATH, index, "get_default_security_group_rule"),
    Route("GET", PATH + "/{id}", show, "get_default_security_group_rule"),
)
