"""What an attribute's value may be: small functions that return the stored spelling or refuse in words.

Two refusals are told apart because clients see two names: a value of a wrong kind cannot be converted
(`Unconvertible`, the wire's InvalidInput), a value of the right kind may still not fit (`ValueError`).

Source: networking API reference, the attribute tables of each resource.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Set
from functools import lru_cache
from typing import Any

from monostack.kit import ids

MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$")
MAX_PORT = 65535
Check = Callable[[Any], Any]


class Unconvertible(ValueError):
    """The value is of a kind that cannot become what the attribute holds."""


@lru_cache(maxsize=4096)
def parsed_network(cidr: str) -> Any:
    """The network of a canonical CIDR; kept, because parsing one costs more than a statement."""
    return ipaddress.ip_network(cidr)


def parsed_address(address: str) -> Any:
    """The address of a text; its version is looked at where it matters."""
    return ipaddress.ip_address(address)


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    if isinstance(value, str) and value.lower() in ("true", "1"):
        return True
    if isinstance(value, str) and value.lower() in ("false", "0"):
        return False
    raise Unconvertible(f"'{value}' cannot be converted to boolean.")


def integer(value: Any) -> int:
    if isinstance(value, bool):
        raise Unconvertible(f"'{value}' is not an integer.")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Unconvertible(f"'{value}' is not an integer.") from None


def number(low: int, high: int) -> Check:
    """An integer between two others, both included."""

    def check(value: Any) -> int:
        found = integer(value)
        if not low <= found <= high:
            raise ValueError(f"{found} is not between {low} and {high}")
        return found

    return check


def text(longest: int) -> Check:
    """A string of at most that many characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"'{value}' is not a valid string")
        if len(value) > longest:
            raise ValueError(f"'{value}' exceeds maximum length of {longest}")
        return value

    return check


name = text(255)
description = text(255)


def project(value: Any) -> str:
    return text(255)(value)


def or_none(check: Check) -> Check:
    """The same, or null."""
    return lambda value: None if value is None else check(value)


def one_of(*allowed: Any) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, (list, dict)) or value not in allowed:
            raise ValueError(f"'{value}' is not in {list(allowed)}")
        return value

    return check


def uuid(value: Any) -> str:
    if not ids.is_uuid(value):
        raise ValueError(f"'{value}' is not a valid UUID")
    return value


def mapping(value: Any) -> dict:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not a dictionary")
    return value


def mac_address(value: Any) -> str:
    if not isinstance(value, str) or not MAC.match(value):
        raise ValueError(f"'{value}' is not a valid MAC address")
    plain = value.replace("-", ":").lower()
    if plain == "00:00:00:00:00:00":
        raise ValueError(f"'{value}' is not a usable MAC address")
    return plain


def ip_address(value: Any) -> str:
    """One address in its canonical spelling."""
    if not isinstance(value, str) or "/" in value:
        raise ValueError(f"'{value}' is not a valid IP address")
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP address") from None


def cidr(value: Any) -> str:
    """A network; bits behind the prefix are cut off."""
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(f"'{value}' is not a valid IP subnet")
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP subnet") from None


def prefix(value: Any) -> str | None:
    """A network as a security rule names it: the given spelling, a bare address meaning itself alone."""
    if value in (None, ""):
        return None
    try:
        ipaddress.ip_network(value, strict=False)
    except (TypeError, ValueError):
        raise Unconvertible(f"'{value}' is not a valid CIDR.") from None
    return value if "/" in value else f"{value}/{32 if '.' in value else 128}"


def objects(value: Any, what: str, keys: set[str], needed: Set[str] = frozenset()) -> list[dict]:
    """A list of objects that have no other keys than these."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"Invalid data format for {what}: '{value}' is not a list")
    for each in value:
        if not isinstance(each, dict):
            raise ValueError(f"Invalid data format for {what}: '{each}' is not an object")
        unknown = set(each) - keys
        if unknown:
            raise ValueError(
                f"{what} has no {', '.join(sorted(unknown))}: there are {', '.join(sorted(keys))}"
            )
        lacking = needed - set(each)
        if lacking:
            raise ValueError(f"{what} needs {', '.join(sorted(lacking))}")
    return value


def allocation_pools(value: Any) -> list[dict]:
    pools = objects(value, "allocation_pools", {"start", "end"}, {"start", "end"})
    return [{"start": ip_address(pool["start"]), "end": ip_address(pool["end"])} for pool in pools]


def host_routes(value: Any) -> list[dict]:
    routes = objects(value, "routes", {"destination", "nexthop"}, {"destination", "nexthop"})
    out = [
        {"destination": _destination(route["destination"]), "nexthop": ip_address(route["nexthop"])}
        for route in routes
    ]
    seen = {(route["destination"], route["nexthop"]) for route in out}
    if len(seen) != len(out):
        raise ValueError("Duplicate hostroute in the list of routes")
    return out


def _destination(value: Any) -> str:
    found = cidr(value)
    if found != value:
        raise ValueError(f"'{value}' isn't a recognized IP subnet cidr, '{found}' is recommended")
    return found


def nameservers(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"Invalid data format for nameserver: '{value}'")
    out = [ip_address(each) for each in value]
    if len(set(out)) != len(out):
        raise ValueError(f"Duplicate nameserver in {value}")
    return out


def fixed_ips(value: Any) -> list[dict]:
    """What a port asks for: objects with subnet_id, ip_address or both."""
    wanted = objects(value, "fixed_ips", {"subnet_id", "ip_address", "delete_subnet"})
    out, seen = [], set()
    for each in wanted:
        one = {}
        if each.get("ip_address") is not None:
            one["ip_address"] = ip_address(each["ip_address"])
            if one["ip_address"] in seen:
                raise ValueError(f"Duplicate IP address '{one['ip_address']}'")
            seen.add(one["ip_address"])
        if each.get("subnet_id") is not None:
            one["subnet_id"] = uuid(each["subnet_id"])
        if not one:
            raise ValueError("each of fixed_ips needs an ip_address or a subnet_id")
        out.append(one)
    return out


def address_pairs(value: Any) -> list[dict]:
    pairs = objects(value, "allowed_address_pairs", {"ip_address", "mac_address"}, {"ip_address"})
    out = []
    for pair in pairs:
        one = {"ip_address": _address_or_network(pair["ip_address"])}
        if pair.get("mac_address") is not None:
            one["mac_address"] = mac_address(pair["mac_address"])
        if one in out:
            raise ValueError(f"Request contains duplicate address pair: {one['ip_address']}")
        out.append(one)
    return out


def _address_or_network(value: Any) -> str:
    try:
        found = ipaddress.ip_interface(value)
    except (TypeError, ValueError):
        raise ValueError(f"'{value}' is neither a valid IP address, nor is it a valid IP subnet") from None
    if found.ip.is_multicast:
        raise ValueError(f"'{value}' is a multicast address: no port may send from one")
    return value


def dhcp_options(value: Any) -> list[dict]:
    options = objects(value, "extra_dhcp_opts", {"opt_name", "opt_value", "ip_version"}, {"opt_name"})
    for option in options:
        text(64)(option["opt_name"])
        if option.get("opt_value") is not None:
            text(255)(option["opt_value"])
        one_of(4, 6)(integer(option.get("ip_version", 4)))
    return options


def uuids(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"'{value}' is not a list")
    for each in value:
        uuid(each)
    if len(set(value)) != len(value):
        raise ValueError(f"Duplicate items in the list: '{', '.join(value)}'")
    return value


def names(value: Any) -> list[str]:
    """A list of distinct short texts: tags, service types, hints."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"'{value}' is not a list")
    return list(dict.fromkeys(text(255)(each) for each in value))


def hints(value: Any) -> list[str]:
    return names(value)
