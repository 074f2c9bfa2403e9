"""What is told of one server, gathered once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monostack.compute.servers import rows


@dataclass(frozen=True)
class Subject:
    """One server and what stands around it.

    row         the server
    hostname    its full name in the network's domain, the same that the network's DNS knows
    key         {name, type, data} of the key it was born with, or None
    files       (path, content) that the user put into the request to create it
    user_data   as the guest shall see it (the API has it in Base64), or None
    nics        the server's interfaces in device order: {port_id, mac, tag, ...}
    fixed_ips   its IPv4 addresses in device order
    floating_ips
    network     network_data.json
    """

    row: Mapping[str, Any]
    hostname: str
    key: dict[str, str] | None = None
    files: tuple[tuple[str, bytes], ...] = ()
    user_data: bytes | None = None
    nics: tuple[dict[str, Any], ...] = ()
    fixed_ips: tuple[str, ...] = ()
    floating_ips: tuple[str, ...] = ()
    network: dict[str, Any] = field(default_factory=lambda: {"links": [], "networks": [], "services": []})


def load(db, row: Mapping[str, Any]) -> Subject:
    """Everything that is told of a server."""
    spec = rows.spec_of(db, row) or {}
    nics = tuple(spec.get("nics") or ())
    ports = _ports(db, row, nics)
    return Subject(
        row=row,
        hostname=full_name(db, row),
        key=_key(row, spec),
        files=tuple((each["path"], decoded(each["contents"])) for each in spec.get("files") or ()),
        user_data=decoded(row["user_data"]) if row["user_data"] else None,
        nics=nics,
        fixed_ips=tuple(
            each["ip_address"]
            for port in ports
            for each in port["fixed_ips"]
            if ":" not in each["ip_address"]
        ),
        floating_ips=tuple(each["floating_ip_address"] for port in ports for each in port["floating_ips"]),
        network=_network_data(db, ports),
    )


def full_name(db, row: Mapping[str, Any]) -> str:
    name, domain = row["hostname"] or row["name"], db.cloud.settings.network.dns_domain
    return f"{name}.{domain}" if domain and "." not in name else name


def decoded(text: str) -> bytes:
    """Base64 as the API takes it, line breaks and all; what is none of it is told as it is."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode()


def _key(row: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, str] | None:
    if not row["key_name"] or not spec.get("key_data"):
        return None
    return {"name": row["key_name"], "type": spec.get("key_type") or "ssh", "data": spec["key_data"]}


def _ports(db, row: Mapping[str, Any], nics: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """The server's ports, in device order."""
    if not nics:
        return []
    from monostack import network

    order = {nic["port_id"]: place for place, nic in enumerate(nics)}
    found = network.ports_of(db, [row["id"]]).get(row["id"], [])
    return sorted((port for port in found if port["id"] in order), key=lambda port: order[port["id"]])


def _network_data(db, ports: list[dict[str, Any]]) -> dict[str, Any]:
    if not ports:
        return {"links": [], "networks": [], "services": []}
    from monostack import network

    return network.network_data(db, ports)
