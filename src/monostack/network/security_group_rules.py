"""Rules of security groups: what may pass, one allowance each.

A rule belongs to a group and never changes. Two rules that allow the same are one too many and refused,
whatever order or spelling they came in; a unique signature would not do, since descriptions do not count and
old rows must stay readable, so the group is locked and its rules are compared.

Source: networking API reference, "Security group rules"; protocol names and numbers from IANA's registry.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from monostack.kit import clock
from monostack.kit.errors import Error
from monostack.network import checks, hosting, limits
from monostack.network.attributes import ID, OWNER, STANDARD, Attribute, bad
from monostack.network.collection import Collection, routes
from monostack.network.tables import SECURITY_GROUP_RULES, SECURITY_GROUPS

PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
WITH_PORTS = frozenset(("tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "33", "132", "136"))
WITH_TYPES = frozenset(("icmp", "icmpv6", "ipv6-icmp", "1", "58"))
IPV6_ONLY = frozenset(
    ("icmpv6", "ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route")
)
LARGEST_TYPE = 255
IPV6_NUMBERS = frozenset(str(PROTOCOLS[name]) for name in IPV6_ONLY)


def protocol(value: Any) -> str | None:
    """A name of the list or a number, as text."""
    if value is None or value == "":
        return None
    word = str(value).lower()
    if word == "any":
        return None
    if word in PROTOCOLS or (word.isdigit() and 0 <= int(word) <= 255):
        return word
    raise Unsupported(word)


class Unsupported(ValueError):
    """A protocol that is not known; has its own name on the wire."""

    def __init__(self, word: str) -> None:
        super().__init__(
            f"Security group rule protocol {word} not supported. Only protocol values "
            f"{sorted(PROTOCOLS)} and integer representations [0 to 255] are supported"
        )


def ethertype(value: Any) -> str:
    for known in ("IPv4", "IPv6"):
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    raise Unconvertible(
        f"Security group rule for ethertype '{value}' not supported. Allowed values are IPv4, IPv6."
    )


Unconvertible = checks.Unconvertible


def port(value: Any) -> int | None:
    if value is None or value == "":
        return None
    found = checks.integer(value)
    if not 0 <= found <= checks.MAX_PORT:
        raise Unconvertible(f"Invalid value for port {value}")
    return found


def remote_group(value: Any) -> str | None:
    return checks.text(36)(value) if value not in (None, "") else None


def no_group(id: str) -> Error:  # noqa: A002
    return Error(404, "SecurityGroupNotFound", f"Security group {id} does not exist")


GIVEN: dict[str, Any] = {"filter": True, "sort": True, "post": True}
ATTRIBUTES = (
    ID,
    *OWNER,
    Attribute("security_group_id", required=True, check=checks.text(36), **GIVEN),
    Attribute("direction", required=True, check=checks.one_of("ingress", "egress"), **GIVEN),
    Attribute("ethertype", default="IPv4", check=ethertype, **GIVEN),
    Attribute("protocol", default=None, check=protocol, **GIVEN),
    Attribute("port_range_min", default=None, check=port, convert=checks.integer, **GIVEN),
    Attribute("port_range_max", default=None, check=port, convert=checks.integer, **GIVEN),
    Attribute("remote_ip_prefix", default=None, check=checks.prefix, **GIVEN),
    Attribute("normalized_cidr", filter=True, sort=True),
    Attribute("remote_group_id", default=None, check=remote_group, **GIVEN),
    Attribute("remote_address_group_id", default=None, check=checks.or_none(checks.uuid), **GIVEN),
    Attribute("belongs_to_default_sg", filter=True, convert=checks.boolean),
    Attribute("description", filter=True, post=True, default="", check=checks.description),
    *(each for each in STANDARD if each.name != "tags"),
)


def view(rule) -> dict[str, Any]:
    """A rule as it stands inside its group."""
    return {
        "id": rule["id"],
        "project_id": rule["project_id"],
        "tenant_id": rule["project_id"],
        "security_group_id": rule["security_group_id"],
        "ethertype": rule["ethertype"],
        "direction": rule["direction"],
        "protocol": rule["protocol"],
        "port_range_min": rule["port_range_min"],
        "port_range_max": rule["port_range_max"],
        "remote_ip_prefix": rule["remote_ip_prefix"],
        "remote_address_group_id": rule["remote_address_group_id"],
        "normalized_cidr": rule["normalized_cidr"],
        "remote_group_id": rule["remote_group_id"],
        "belongs_to_default_sg": rule["belongs_to_default_sg"],
        "description": rule["description"],
        "tags": [],
        "created_at": clock.z(rule["created_at"]),
        "updated_at": clock.z(rule["updated_at"]),
        "revision_number": rule["revision_number"],
    }


def signature(values: dict[str, Any]) -> str:
    """What a rule allows, in one spelling."""
    number = PROTOCOLS.get(values["protocol"], values["protocol"])
    everything = values["normalized_cidr"] in ("0.0.0.0/0", "::/0")
    parts = (
        values["direction"],
        values["ethertype"],
        number,
        values["port_range_min"],
        values["port_range_max"],
        None if everything else values["normalized_cidr"],
        values["remote_group_id"],
    )
    return "|".join("" if part is None else str(part) for part in parts)


def store(tx, group, **values: Any):
    """Add a rule to a group."""
    values = {
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        "description": None,
    } | values
    prefix = values["remote_ip_prefix"]
    values["normalized_cidr"] = str(ipaddress.ip_network(prefix, strict=False)) if prefix else None
    sign = signature(values)
    return tx.insert(
        SECURITY_GROUP_RULES,
        project_id=group["project_id"],
        security_group_id=group["id"],
        signature=sign,
        belongs_to_default_sg=group["default_of"] is not None,
        revision_number=0,
        **values,
    )


def create(request, tx, values: dict):
    group = tx.one(SECURITY_GROUPS, id=values["security_group_id"])
    if group is None or not _may_use(request, group):
        raise no_group(values["security_group_id"])
    _check_protocol(values)
    _check_remote(request, tx, values)
    limits.take(tx, values["project_id"], security_group_rule=1)
    asked = {
        name: values[name]
        for name in (
            "direction",
            "ethertype",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_group_id",
            "description",
        )
    }
    prefix = asked["remote_ip_prefix"]
    sign = signature(
        asked | {"normalized_cidr": str(ipaddress.ip_network(prefix, strict=False)) if prefix else None}
    )
    twin = tx.one(SECURITY_GROUP_RULES, lock=False, security_group_id=group["id"], signature=sign)
    if twin is not None:
        raise Error(
            409, "SecurityGroupRuleExists", f"Security group rule already exists. Rule id is {twin['id']}."
        )
    row = store(tx, group, **asked)
    tx.set(group, revision_number=group["revision_number"] + 1)
    hosting.changed(tx, "security_group", group["id"])
    if row["remote_group_id"] not in (None, group["id"]):
        hosting.settle_groups_of(tx, group["id"])
    return row


def _may_use(request, group) -> bool:
    caller = request.caller
    return caller.admin or group["project_id"] == caller.project_id


def _check_protocol(values: dict) -> None:
    name, low, high = values["protocol"], values["port_range_min"], values["port_range_max"]
    if (name in IPV6_ONLY or name in IPV6_NUMBERS) and values["ethertype"] != "IPv6":
        raise Error(
            400,
            "SecurityGroupEthertypeConflictWithProtocol",
            f"Invalid ethertype {values['ethertype']} for protocol {name}.",
        )
    if low is None and high is None:
        return
    if name is None:
        raise Error(
            400,
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        )
    if name in WITH_TYPES:
        _check_type(low, high)
        return
    if name not in WITH_PORTS:
        raise Error(
            400,
            "SecurityGroupInvalidProtocolForPort",
            f"Ports cannot be specified for protocol {name}. Ports are only supported for "
            f"{sorted(WITH_PORTS)}.",
        )
    if low is None or high is None or low > high:
        raise Error(
            400,
            "SecurityGroupInvalidPortRange",
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
        )
    if low < 1:
        raise Error(400, "SecurityGroupInvalidPortValue", f"Invalid value for port {low}")


def _check_type(low: int | None, high: int | None) -> None:
    for field, bound, value in (("type", "min", low), ("code", "max", high)):
        if value is not None and value > LARGEST_TYPE:
            raise Error(
                400,
                "SecurityGroupInvalidIcmpValue",
                f"Invalid value for ICMP {field} (port_range_{bound}) {value}. It must be 0 to 255.",
            )
    if high is not None and low is None:
        raise Error(
            400,
            "SecurityGroupMissingIcmpType",
            f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.",
        )


def _check_remote(request, tx, values: dict) -> None:
    prefix, group_id = values["remote_ip_prefix"], values["remote_group_id"]
    if values["remote_address_group_id"] is not None:
        raise Error(
            404,
            "AddressGroupNotFound",
            f"Address group {values['remote_address_group_id']} could not be found.",
        )
    if prefix is not None and group_id is not None:
        raise Error(
            400,
            "SecurityGroupMultipleRemoteEntites",
            "Only one of remote_ip_prefix, remote_group_id and remote_address_group_id may be provided.",
        )
    if prefix is not None:
        version = ipaddress.ip_network(prefix, strict=False).version
        if f"IPv{version}" != values["ethertype"]:
            raise Error(
                400,
                "SecurityGroupRuleParameterConflict",
                f"Conflicting value ethertype {values['ethertype']} for CIDR {prefix}",
            )
    if group_id is not None:
        remote = tx.one(SECURITY_GROUPS, lock=False, id=group_id)
        if remote is None or not _may_use(request, remote):
            raise no_group(group_id)


def delete(request, tx, row) -> None:
    tx.delete(row)
    group = tx.one(SECURITY_GROUPS, id=row["security_group_id"])
    if group is not None:
        tx.set(group, revision_number=group["revision_number"] + 1)
    hosting.changed(tx, "security_group", row["security_group_id"])
    if row["remote_group_id"] not in (None, row["security_group_id"]):
        hosting.settle_groups_of(tx, row["security_group_id"])


def parents(db, row, viewer: str | None) -> dict:
    """Rules are judged by who owns the group."""
    group = db.one(SECURITY_GROUPS, lock=False, id=row["security_group_id"])
    if group is None:
        raise no_group(row["security_group_id"])
    owner = group["project_id"]
    return {"security_group:project_id": owner, "security_group:tenant_id": owner}


COLLECTION = Collection(
    "security_group_rule",
    "security_group_rules",
    "security-group-rules",
    SECURITY_GROUP_RULES,
    ATTRIBUTES,
    ("SecurityGroupRuleNotFound", "Security group rule {id} does not exist"),
    create=create,
    delete=delete,
    parents=parents,
    tagged=False,
)

ROUTES = routes(COLLECTION)
__all__ = ["COLLECTION", "ROUTES", "bad", "store", "view"]
