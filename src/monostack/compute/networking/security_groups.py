"""Security groups in compute's old shape: incoming rules only, ports called from and to.

Networking's refusals come with compute's codes: a conflict was a bad request then, too much was forbidden.

Source: compute API reference, "Security groups", "Rules for security group" (deprecated, until 2.35).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

from monostack.kit.errors import Error
from monostack.kit.ids import is_uuid
from monostack.kit.resource import Response, Route

RULE = "os_compute_api:os-security-groups:"
LAST = (2, 35)
GROUP, GROUP_RULE = "security_group", "security_group_rule"
WITH_PORTS = ("tcp", "udp")
ALL_PORTS = (1, 65535)
NO_PORTS = (-1, -1)
EVERYWHERE = "0.0.0.0/0"
PROTOCOLS = ("tcp", "udp", "icmp")


# The shape


def shown(db, groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups with their rules, as compute shows them."""
    from monostack import network

    groups = list(groups)
    known = {group["id"]: group for group in groups}
    named = {rule["remote_group_id"] for group in groups for rule in group["security_group_rules"]}
    others = network.groups_with_rules(db, sorted(named - set(known) - {None}))
    known |= {group["id"]: group for group in others}
    return [_group(group, known) for group in groups]


def _group(group: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    incoming = [rule for rule in group["security_group_rules"] if rule["direction"] == "ingress"]
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group["description"],
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


@contextmanager
def in_computes_words():
    """Networking refuses with its own codes; compute's clients know others."""
    try:
        yield
    except Error as refusal:
        code = {409: 403 if refusal.type == "OverQuota" else 400}.get(refusal.code, refusal.code)
        raise Error(code, refusal.type, refusal.message) from None


# Groups


def index(request, tx) -> dict[str, Any]:
    """The project's groups; the first look makes its default group."""
    from monostack import network

    caller = request.caller
    network.find_security_group(tx, caller.project_id, "default")
    everybody = caller.admin and "all_tenants" in request.query
    rows = network.of_project(tx, GROUP, None if everybody else caller.project_id)
    found = network.groups_with_rules(tx, [row["id"] for row in _page(request, rows)])
    return {"security_groups": shown(tx, found)}


def show(request, db) -> dict[str, Any]:
    return {GROUP: _shown(db, _find(request, db, request.path["id"]))}


def create(request, tx) -> dict[str, Any]:
    from monostack import network

    name, description = _asked(request)
    with in_computes_words():
        row = network.make(tx, request.caller, GROUP, name=name, description=description)
    request.subject = row["id"]
    return {GROUP: _shown(tx, row["id"])}


def update(request, tx) -> dict[str, Any]:
    from monostack import network

    group_id = _find(request, tx, request.path["id"])
    name, description = _asked(request)
    with in_computes_words():
        network.change(tx, request.caller, GROUP, group_id, name=name, description=description)
    return {GROUP: _shown(tx, group_id)}


def delete(request, tx) -> Response:
    """The default group stays, even where an administrator asks."""
    from monostack import network

    group_id = _find(request, tx, request.path["id"])
    if network.find(tx, request.caller, GROUP, group_id)["default_of"]:
        raise Error(400, "BadRequest", "Unable to delete system group 'default'")
    with in_computes_words():
        network.drop(tx, request.caller, GROUP, group_id)
    return Response(202)


def _asked(request) -> tuple[str, str]:
    asked = request.body[GROUP]
    if not asked["name"].strip():
        raise Error(400, "BadRequest", "Security group name cannot be empty.")
    return asked["name"], asked["description"]


def _find(request, db, group_id: Any) -> str:
    """The id, if it names a group that the caller may see."""
    from monostack import network

    if not is_uuid(group_id):
        raise Error(400, "BadRequest", "Security group id should be uuid")
    try:
        return network.find(db, request.caller, GROUP, group_id)["id"]
    except Error:
        raise Error(404, "SecurityGroupNotFound", f"Security group {group_id} not found.") from None


def _shown(db, group_id: str) -> dict[str, Any]:
    from monostack import network

    return shown(db, network.groups_with_rules(db, [group_id]))[0]


def _page(request, rows: list) -> list:
    numbers = {}
    for name in ("limit", "offset"):
        text = request.query.get(name, "0")
        if not text.isdecimal():
            raise Error(400, "BadRequest", f"{name} is '{text}': it must be a number, 0 or more.")
        numbers[name] = int(text)
    most = request.service.wire.max_limit
    return rows[numbers["offset"] :][: min(numbers["limit"] or most, most)]


# Rules


def create_rule(request, tx) -> dict[str, Any]:
    from monostack import network

    asked = request.body.get(GROUP_RULE) if isinstance(request.body, dict) else None
    if not isinstance(asked, dict):
        raise Error(400, "BadRequest", f"The body must have an object '{GROUP_RULE}'.")
    group_id = _find(request, tx, asked.get("parent_group_id"))
    values = _understood(request, tx, asked)
    with in_computes_words():
        row = network.make(
            tx, request.caller, GROUP_RULE, security_group_id=group_id, direction="ingress", **values
        )
    request.subject = row["id"]
    (rule,) = (each for each in _shown(tx, group_id)["rules"] if each["id"] == row["id"])
    return {GROUP_RULE: rule}


def delete_rule(request, tx) -> Response:
    from monostack import network

    rule_id = request.path["id"]
    if not is_uuid(rule_id):
        raise Error(400, "BadRequest", "Security group rule id should be uuid")
    try:
        network.drop(tx, request.caller, GROUP_RULE, rule_id)
    except Error:
        raise Error(404, "SecurityGroupNotFound", f"Rule {rule_id} not found.") from None
    return Response(202)


def _understood(request, tx, asked: dict[str, Any]) -> dict[str, Any]:
    """The rule in networking's words."""
    values: dict[str, Any] = {}
    if asked.get("group_id") is not None:
        values["remote_group_id"] = _find(request, tx, asked["group_id"])
    else:
        cidr = asked.get("cidr") or EVERYWHERE
        values |= {"remote_ip_prefix": cidr, "ethertype": f"IPv{_version(cidr)}"}
    protocol, first, last = asked.get("ip_protocol"), asked.get("from_port"), asked.get("to_port")
    if protocol is None and first is None and last is None:
        if "remote_group_id" in values:
            return values
        raise Error(400, "BadRequest", "Not enough parameters to build a valid rule.")
    if str(protocol).lower() not in PROTOCOLS:
        raise Error(400, "InvalidIpProtocol", f"Invalid IP protocol {protocol}: use {', '.join(PROTOCOLS)}.")
    values["protocol"] = str(protocol).lower()
    if values["protocol"] in WITH_PORTS and "remote_group_id" in values and first is None and last is None:
        return values
    low, high = _number("from_port", first), _number("to_port", last)
    _demand_ports(values["protocol"], low, high)
    if (low, high) != NO_PORTS:
        values |= {"port_range_min": low, "port_range_max": None if high == -1 else high}
    return values


def _version(cidr: Any) -> int:
    try:
        return ipaddress.ip_network(str(cidr), strict=False).version
    except ValueError:
        raise Error(400, "InvalidCidr", f"Invalid cidr {cidr}.") from None


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Error(400, "BadRequest", f"{name} is {value!r}: it must be a number.") from None


def _demand_ports(protocol: str, low: int, high: int) -> None:
    least, most = (-1, 255) if protocol == "icmp" else ALL_PORTS
    in_order = protocol == "icmp" or low <= high
    if not (least <= low <= most and least <= high <= most and in_order):
        raise Error(
            400,
            "InvalidPortRange",
            f"Invalid port range {low}:{high} for {protocol}: {least} to {most}, the smaller first.",
        )


PATH, RULES = "/os-security-groups", "/os-security-group-rules"

ROUTES = (
    Route("GET", PATH, index, RULE + "get", until=LAST, query="security_groups.index"),
    Route(
        "POST",
        PATH,
        create,
        RULE + "create",
        ok=200,
        until=LAST,
        body="security_groups.create",
        event="compute.security_group.create",
    ),
    Route("GET", PATH + "/{id}", show, RULE + "show", until=LAST, query="security_groups.show"),
    Route(
        "PUT",
        PATH + "/{id}",
        update,
        RULE + "update",
        until=LAST,
        body="security_groups.update",
        event="compute.security_group.update",
    ),
    Route(
        "DELETE", PATH + "/{id}", delete, RULE + "delete", until=LAST, event="compute.security_group.delete"
    ),
    Route(
        "POST",
        RULES,
        create_rule,
        RULE + "rule:create",
        ok=200,
        until=LAST,
        event="compute.security_group_rule.create",
    ),
    Route(
        "DELETE",
        RULES + "/{id}",
        delete_rule,
        RULE + "rule:delete",
        until=LAST,
        event="compute.security_group_rule.delete",
    ),
)
