"""A server's ports: made, bound to its host, shown, and given back.

A port that we made for the server goes with it; one that the user brought stays and is only let go. What a
list shows of addresses and security groups is kept in the server's row and refreshed whenever networking
says that a port changed (port_changes.py).
"""

from typing import Any

from monostack.compute.servers import rows
from monostack.kit.errors import Error

NO_ADDRESS = frozenset(
    (
        "IpAddressGenerationFailure",
        "IpAddressGenerationFailureAllSubnets",
        "IpAddressGenerationFailureNoMatchingSubnet",
        "NoMoreAddresses",
    )
)
REFUSED = {"OverQuota": (403, "PortLimitExceeded", "Maximum number of ports exceeded")}


class NoAddress(Exception):
    """Networking cannot give what the server needs; the words are its own."""


def owner(zone: str | None) -> str:
    return f"compute:{zone or ''}"


def connect(tx, row, spec, host: str, zone: str) -> list[dict[str, Any]]:
    """Make the ports that were asked for, or bind the made ones to a new host; the nics in device order.

    Raises NoAddress where the request was right and the cloud cannot, Error where the request was wrong.
    """
    from monostack import network

    if spec["networks"] is None:
        for nic in spec["nics"]:
            port = network.port(tx, nic["port_id"])
            network.bind_port(
                tx, port, host=host, device_id=row["id"], device_owner=owner(zone), hostname=row["hostname"]
            )
        return spec["nics"]
    return [connect_one(tx, row, spec, asked, host, zone) for asked in spec["networks"]]


def connect_one(tx, row, spec, asked: dict[str, Any], host: str, zone: str) -> dict[str, Any]:
    """One port, made or brought, bound to the host; its nic."""
    from monostack import network

    own = asked.get("port_id") is None
    if own:
        port = _make(tx, row, spec, asked, host, zone)
    else:
        port = network.port(tx, asked["port_id"])
        if port is None:
            raise NoAddress(f"Port {asked['port_id']} is gone.")
        if port["device_id"] not in ("", None, row["id"]):
            raise Error(409, "PortInUse", f"Port {asked['port_id']} is still in use.")
        network.bind_port(
            tx, port, host=host, device_id=row["id"], device_owner=owner(zone), hostname=row["hostname"]
        )
    return {
        "port_id": port["id"],
        "mac": port["mac_address"],
        "network_id": port["network_id"],
        "mtu": asked["mtu"],
        "own": own,
        "tag": asked.get("tag"),
    }


def _make(tx, row, spec, asked: dict[str, Any], host: str, zone: str):
    from monostack import network

    fixed_ip = asked.get("fixed_ip")
    try:
        return network.create_port(
            tx,
            project_id=row["project_id"],
            network_id=asked["network_id"],
            device_id=row["id"],
            device_owner=owner(zone),
            host=host,
            hostname=row["hostname"],
            fixed_ips=[{"ip_address": fixed_ip}] if fixed_ip else None,
            security_groups=spec["security_groups"],
        )
    except Error as refusal:
        if refusal.type in REFUSED:
            raise Error(*REFUSED[refusal.type]) from None
        if refusal.type in NO_ADDRESS:
            raise NoAddress(refusal.message) from None
        if fixed_ip and refusal.code in (400, 409):
            raise Error(400, refusal.type, refusal.message) from None
        raise NoAddress(refusal.message) from None


def look(tx, row, nics: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """What networking has for the server now: the columns that show it, the nics with their MTU, and whether
    all of its ports are up (one that its user switched off is not waited for)."""
    from monostack import network

    if not nics:
        return {"addresses": {}, "ips": "", "security_groups": []}, nics, True
    found = {port["id"]: port for port in network.ports_of(tx, [row["id"]]).get(row["id"], ())}
    present = [(nic, found[nic["port_id"]]) for nic in nics if nic["port_id"] in found]
    fresh = [nic | {"mac": port["mac_address"], "mtu": port["mtu"]} for nic, port in present]
    waiting = [port["id"] for _, port in present if port["status"] != "ACTIVE"]
    up = not any(network.port(tx, port_id)["admin_state_up"] for port_id in waiting)
    return shown(tx, [port for _, port in present]), fresh, up


def shown(db, ports: list[dict[str, Any]]) -> dict[str, Any]:
    """The server's columns that show its ports."""
    from monostack import network

    addresses: dict[str, list[dict[str, Any]]] = {}
    ips, groups = [], []
    for port in ports:
        entries = addresses.setdefault(port["network_name"], [])
        mac = port["mac_address"]
        for fixed in port["fixed_ips"]:
            entries.append(_address(fixed["ip_address"], "fixed", mac))
            ips.append(fixed["ip_address"])
        for floating in port["floating_ips"]:
            ip = floating["floating_ip_address"] if isinstance(floating, dict) else floating
            entries.append(_address(ip, "floating", mac))
            ips.append(ip)
        groups += port["security_groups"]
    distinct = list(dict.fromkeys(groups))
    names = network.security_group_names(db, distinct) if distinct else {}
    return {
        "addresses": addresses,
        "ips": f" {' '.join(ips)} ",
        "security_groups": [names.get(group, group) for group in distinct],
    }


def _address(ip: str, kind: str, mac: str) -> dict[str, Any]:
    return {
        "version": 6 if ":" in ip else 4,
        "addr": ip,
        "OS-EXT-IPS:type": kind,
        "OS-EXT-IPS-MAC:mac_addr": mac,
    }


def release(tx, row, spec) -> None:
    """Give all of the server's ports back."""
    give_back(tx, row, spec["nics"] or [])


def give_back(tx, row, nics: list[dict[str, Any]]) -> None:
    """Give ports back: ours are deleted, the user's are let go."""
    from monostack import network

    for nic in nics:
        port = network.port(tx, nic["port_id"])
        if port is None or port["device_id"] != row["id"]:
            continue
        if nic["own"]:
            network.delete_port(tx, port)
        else:
            network.unbind_port(tx, port)


def refresh(tx, row) -> None:
    """Show what networking has for the server now, without counting it as the server's change."""
    values, _, _ = look(tx, row, rows.spec_of(tx, row)["nics"] or [])
    if any(row[name] != value for name, value in values.items()):
        tx.set(row, updated_at=row["updated_at"], **values)
