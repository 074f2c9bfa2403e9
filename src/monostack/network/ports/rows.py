"""Ports as rows: made, bound to a host, changed and deleted, by one hand.

Everything that must change together stands here: the row, its addresses, its membership in groups, and what
hosts are told of it. Nobody else writes a port's addresses or groups, so the copies on the row (see `tables`)
cannot come apart.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from monostack.kit import agents
from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid
from monostack.network import addresses, associations, hosting, limits, security_groups, sharing
from monostack.network.tables import PORT_GROUPS, PORTS, ROUTERS, SECURITY_GROUPS

MAC_PREFIX = "fa:16:3e"
MAC_DRAWS = 16
DHCP = "network:dhcp"
ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
AUTOMATIC = (DHCP,)
UNBOUND, BOUND, FAILED = "unbound", "bridge", "binding_failed"
DETAILS = {"connectivity": "l2", "port_filter": True}

_random = random.Random()


def is_automatic(port) -> bool:
    """Ports that the service itself put there and takes away with their network."""
    return port["device_owner"] in AUTOMATIC


def is_guest(device_owner: str, host: str | None) -> bool:
    return bool(host) and device_owner.startswith("compute:")


def new_mac(tx, network_id: str) -> str:
    for _ in range(MAC_DRAWS):
        bits = _random.getrandbits(24)
        mac = f"{MAC_PREFIX}:{bits >> 16:02x}:{bits >> 8 & 255:02x}:{bits & 255:02x}"
        if tx.one(PORTS, lock=False, network_id=network_id, mac_address=mac) is None:
            return mac
    raise Error(503, "MacAddressGenerationFailure", f"Unable to generate unique mac on network {network_id}.")


def create(
    tx,
    network,
    *,
    project_id: str,
    name: str = "",
    description: str = "",
    mac: str | None = None,
    fixed_ips: list[dict] | None = None,
    groups: list[str] | None = None,
    device_id: str = "",
    device_owner: str = "",
    host: str | None = None,
    admin_state_up: bool = True,
    port_security: bool | None = None,
    pairs: Sequence[dict] = (),
    dhcp_options: Sequence[dict] = (),
    vnic_type: str = "normal",
    profile: dict | None = None,
    see_all: bool = True,
    quota: bool = True,
    hostname: str | None = None,
):
    """Add a port. Without `fixed_ips` it gets one address of each version, without `groups` the default
    group."""
    if quota:
        limits.take(tx, project_id, port=1)
    service_port = device_owner.startswith("network:")
    secure = network["port_security_enabled"] and not service_port if port_security is None else port_security
    id = new_uuid()  # noqa: A001
    mac = mac or new_mac(tx, network["id"])
    given = addresses.give(tx, network, id, mac, fixed_ips, device_owner=device_owner)
    groups = chosen_groups(tx, project_id, groups, secure, bool(given), service_port, see_all)
    check_pairs(secure, pairs)
    row = tx.insert(
        PORTS,
        id=id,
        project_id=project_id,
        name=name,
        description=description,
        network_id=network["id"],
        network_project_id=network["project_id"],
        mac_address=mac,
        admin_state_up=admin_state_up,
        status="DOWN",
        device_id=device_id,
        device_owner=device_owner,
        fixed_ips=given,
        security_groups=groups,
        port_security_enabled=secure,
        allowed_address_pairs=with_macs(pairs, mac),
        extra_dhcp_opts=_with_versions(dhcp_options),
        guest=0,
        hostname=hostname,
        vnic_type=vnic_type,
        profile=profile or {},
        vif_type=UNBOUND,
        revision_number=1,
        taken=Error(
            409,
            "MacAddressInUse",
            f"Unable to complete operation for network {network['id']}. The mac address {mac} is in use.",
        ),
    )
    for group in groups:
        tx.insert(PORT_GROUPS, port_id=id, security_group_id=group)
        hosting.changed(tx, "security_group", group)
    if host:
        place(tx, row, host)
    return row


def chosen_groups(
    tx,
    project_id: str,
    asked: list[str] | None,
    secure: bool,
    addressed: bool,
    service_port: bool,
    see_all: bool,
) -> list[str]:
    """The groups of a port: those asked for, checked, or the project's default group."""
    if asked is None:
        if service_port or not secure or not project_id:
            return []
        return [security_groups.default_of(tx, project_id)["id"]]
    if asked and not secure:
        raise Error(
            400,
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        )
    if asked:
        _check_groups(tx, project_id, asked, see_all)
    return asked


def _check_groups(tx, project_id: str, asked: list[str], see_all: bool) -> None:
    found = {row["id"]: row for row in tx.all(SECURITY_GROUPS, id=asked)}
    for group in asked:
        row = found.get(group)
        if row is None or not (
            see_all or row["project_id"] == project_id or sharing.is_granted(tx, group, project_id)
        ):
            raise Error(404, "SecurityGroupNotFound", f"Security group {group} does not exist")
    if len({row["stateful"] for row in found.values()}) > 1:
        raise Error(
            409,
            "SecurityGroupConflict",
            "Cannot apply both stateful and stateless security groups on the same port at the same time.",
        )


def check_pairs(secure: bool, pairs: Sequence[dict]) -> None:
    if pairs and not secure:
        raise Error(
            409,
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        )


def with_macs(pairs: Sequence[dict], mac: str) -> list[dict]:
    return [
        {"mac_address": pair.get("mac_address") or mac, "ip_address": pair["ip_address"]} for pair in pairs
    ]


def _with_versions(options: Sequence[dict]) -> list[dict]:
    return [
        {
            "opt_name": option["opt_name"],
            "opt_value": option["opt_value"],
            "ip_version": int(option.get("ip_version", 4)),
        }
        for option in options
        if option.get("opt_value") is not None
    ]


# binding


def place(tx, port, host: str, **changes: Any) -> None:
    """Bind the port to a host: the host is told of the port, its network and its groups."""
    owner = changes.get("device_owner", port["device_owner"])
    before = port["host"]
    if before and before != host:
        _take_off(tx, port, before)
    known = tx.one(agents.HOSTS, lock=False, name=host) is not None
    guest = 1 if known and is_guest(owner, host) else 0
    moved = before != host or port["guest"] != guest
    _save(
        tx,
        port,
        host=host,
        guest=guest,
        vif_type=BOUND if known else FAILED,
        vif_details=_details(port, moved) if known else {},
        status="DOWN" if moved else port["status"],
        **changes,
    )
    if not known:
        return
    if before and before != host:
        _settle_left(tx, port, before)
    if guest or owner in (ROUTER_INTERFACE, ROUTER_GATEWAY):
        hosting.carry_network(tx, host, port["network_id"])
    if guest:
        hosting.carry_groups(tx, host, port["security_groups"])
        hosting.want(tx, host, "port", port["id"])


def _details(port, moved: bool) -> dict[str, Any]:
    """What is told of the binding; a port that stays where it is keeps what its host told of it."""
    return DETAILS if moved else port["vif_details"] | DETAILS


def tell_forwarded(tx, port, forwarded: dict[str, str] | None) -> None:
    """Where a guest without a network of the machine's is reached instead, as its host says."""
    if forwarded != port["vif_details"].get("forwarded"):
        details = {name: value for name, value in port["vif_details"].items() if name != "forwarded"}
        _save(tx, port, vif_details=details | ({"forwarded": forwarded} if forwarded else {}))


def displace(tx, port, **changes: Any) -> None:
    """Unbind the port: the host is told to take it away."""
    host = port["host"]
    if host:
        _take_off(tx, port, host)
    _save(
        tx,
        port,
        host=None,
        guest=0,
        vif_type=UNBOUND,
        vif_details={},
        status="DOWN",
        hostname=None,
        **changes,
    )
    if host:
        _settle_left(tx, port, host)


def _take_off(tx, port, host: str) -> None:
    if port["guest"]:
        hosting.release(tx, host, "port", port["id"])


def _settle_left(tx, port, host: str) -> None:
    hosting.drop_groups(tx, host, port["security_groups"])
    hosting.drop_network(tx, host, port["network_id"])


def _save(tx, port, **values: Any) -> None:
    tx.set(port, revision_number=port["revision_number"] + 1, **values)


# changing


def set_addresses(tx, port, network, asked: list[dict] | None) -> None:
    """Give the port just the addresses asked for; those it has and keeps are not touched."""
    before = port["fixed_ips"]
    wanted = {each["ip_address"] for each in asked or () if "ip_address" in each}
    subnets = [each["subnet_id"] for each in asked or () if "ip_address" not in each]
    kept = []
    for each in before:
        if each["ip_address"] in wanted:
            kept.append(each)
        elif each["subnet_id"] in subnets:
            subnets.remove(each["subnet_id"])
            kept.append(each)
    addresses.give_back(tx, port["id"], [each for each in before if each not in kept])
    given = addresses.give(tx, network, port["id"], port["mac_address"], asked or [], kept)
    associations.loosen_port(tx, port["id"], given)
    port_changed(tx, port, fixed_ips=given)


def set_groups(tx, port, groups: list[str]) -> None:
    before, after = set(port["security_groups"]), set(groups)
    for group in sorted(before - after):
        tx.delete_all(PORT_GROUPS, port_id=port["id"], security_group_id=group)
    for group in sorted(after - before):
        tx.insert(PORT_GROUPS, port_id=port["id"], security_group_id=group)
    port["security_groups"] = groups
    for group in sorted(before ^ after):
        hosting.changed(tx, "security_group", group)
    _save(tx, port, security_groups=groups)
    if port["guest"]:
        hosting.settle_groups(tx, port["host"])
        hosting.changed(tx, "port", port["id"])
    tx.hook("network.port.changed", port)


def port_changed(tx, port, **values: Any) -> None:
    """Change columns of a port and tell everybody who works from them."""
    _save(tx, port, **values)
    hosting.changed(tx, "port", port["id"])
    if "fixed_ips" in values or "allowed_address_pairs" in values:
        for group in port["security_groups"]:
            hosting.changed(tx, "security_group", group)
    if port["device_owner"] == DHCP:
        hosting.changed(tx, "network", port["network_id"])
    if port["device_owner"] in (ROUTER_INTERFACE, ROUTER_GATEWAY):
        hosting.changed(tx, "router", port["device_id"])
    if port["device_owner"] == ROUTER_GATEWAY and "fixed_ips" in values:
        tx.update(ROUTERS, {"gateway_port_id": port["id"]}, gateway_ips=port["fixed_ips"])
    tx.hook("network.port.changed", port)


def delete(tx, port) -> None:
    """Delete the port at once; a host that carries it keeps its line until it has looked (see `hosting`)."""
    tx.hook("network.port.delete", port)
    associations.loosen_port(tx, port["id"])
    addresses.give_back(tx, port["id"])
    groups = port["security_groups"]
    if groups:
        tx.delete_all(PORT_GROUPS, port_id=port["id"])
    tx.delete(port)
    for group in groups:
        hosting.changed(tx, "security_group", group)
    host = port["host"]
    if not host:
        return
    _take_off(tx, port, host)
    if port["guest"]:
        hosting.drop_groups(tx, host, groups)
    hosting.drop_network(tx, host, port["network_id"])
