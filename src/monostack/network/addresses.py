"""Addresses: claimed by a unique row over (subnet, address), found without listing what is taken.

Each subnet keeps a cursor behind the address it gave last. The next one is a single look at that position;
only when it is taken does one more statement find the end of that run of taken addresses. Going round before
using anything again also keeps an address that was just given back from meeting a neighbour's stale ARP
entry.

On IPv6 subnets whose hosts make their own addresses (SLAAC, stateless DHCP) the address follows from the MAC.

Source: networking API reference, "Ports", fixed_ips; RFC 4291 appendix A for the modified EUI-64.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import sqlalchemy as sa

from monostack.kit.db import Taken, query
from monostack.kit.errors import Error
from monostack.network.checks import parsed_network
from monostack.network.tables import ADDRESSES, SUBNETS

LARGEST_POSITION = 2**62
AUTOMATIC_MODES = ("slaac", "dhcpv6-stateless")

_after = ADDRESSES.alias("after")
_AT = query(
    sa.select(ADDRESSES.c.position)
    .where(ADDRESSES.c.subnet_id == sa.bindparam("in_subnet"), ADDRESSES.c.position == sa.bindparam("at"))
    .limit(1)
)
_END_OF_RUN = query(
    sa.select(ADDRESSES.c.position)
    .where(
        ADDRESSES.c.subnet_id == sa.bindparam("in_subnet"),
        ADDRESSES.c.position >= sa.bindparam("at"),
        ~sa.exists().where(
            _after.c.subnet_id == sa.bindparam("in_subnet"), _after.c.position == ADDRESSES.c.position + 1
        ),
    )
    .order_by(ADDRESSES.c.position)
    .limit(1)
)


def is_automatic(subnet) -> bool:
    """Whether hosts of the subnet make their own addresses."""
    return subnet["ip_version"] == 6 and subnet["ipv6_address_mode"] in AUTOMATIC_MODES


def position(subnet, address: str) -> int | None:
    """Where an address is in its subnet; None when too far out to be counted."""
    found = int(ipaddress.ip_address(address)) - int(parsed_network(subnet["cidr"]).network_address)
    return found if 0 <= found < LARGEST_POSITION else None


def spans(subnet) -> list[tuple[int, int]]:
    """The allocation pools as positions."""
    start = int(parsed_network(subnet["cidr"]).network_address)
    out = [
        (int(ipaddress.ip_address(pool["start"])) - start, int(ipaddress.ip_address(pool["end"])) - start)
        for pool in subnet["allocation_pools"]
    ]
    return sorted((first, min(last, LARGEST_POSITION - 1)) for first, last in out if first < LARGEST_POSITION)


def from_mac(subnet, mac: str) -> str:
    """The address that a host with this MAC makes for itself."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    interface = parts[:3] + [0xFF, 0xFE] + parts[3:]
    return str(parsed_network(subnet["cidr"])[int.from_bytes(bytes(interface), "big")])


def claim(tx, subnet, port_id: str, address: str) -> None:
    """Take this very address; raises the 409 of an address that is taken."""
    taken = Error(
        409, "IpAddressAlreadyAllocated", f"IP address {address} already allocated in subnet {subnet['id']}"
    )
    tx.insert(
        ADDRESSES,
        subnet_id=subnet["id"],
        address=address,
        position=position(subnet, address),
        port_id=port_id,
        network_id=subnet["network_id"],
        taken=taken,
    )


def allocate(tx, subnet, port_id: str, mac: str) -> str | None:
    """Take the next free address, or the one that follows from the MAC; None when the subnet is full."""
    if is_automatic(subnet):
        address = from_mac(subnet, mac)
        claim(tx, subnet, port_id, address)
        return address
    found = _next_free(tx, subnet)
    if found is None:
        return None
    address = str(parsed_network(subnet["cidr"])[found])
    try:
        tx.insert(
            ADDRESSES,
            subnet_id=subnet["id"],
            address=address,
            position=found,
            port_id=port_id,
            network_id=subnet["network_id"],
        )
    except Taken:
        raise Error(
            409,
            "IpAddressAlreadyAllocated",
            f"IP address {address} already allocated in subnet {subnet['id']}",
        ) from None
    tx.update(SUBNETS, {"id": subnet["id"]}, cursor=found + 1, updated_at=subnet["updated_at"])
    subnet["cursor"] = found + 1
    return address


def _next_free(tx, subnet) -> int | None:
    ranges = spans(subnet)
    if not ranges:
        return None
    begin = subnet["cursor"] if subnet["cursor"] is not None else ranges[0][0]
    for start in (begin, ranges[0][0]):
        for first, last in ranges:
            if last < start:
                continue
            found = _free_from(tx, subnet["id"], max(first, start))
            if found <= last:
                return found
    return None


def _free_from(tx, subnet_id: str, at: int) -> int:
    if tx.value(_AT, in_subnet=subnet_id, at=at) is None:
        return at
    return tx.value(_END_OF_RUN, in_subnet=subnet_id, at=at) + 1


def invalid_for_network(address: str) -> Error:
    return Error(
        400,
        "InvalidIpForNetwork",
        f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
    )


def subnet_of(subnets: Iterable, address: str):
    """The subnet that an address lies in, None when in none."""
    found = ipaddress.ip_address(address)
    return next((subnet for subnet in subnets if found in parsed_network(subnet["cidr"])), None)


def check_usable(subnet, address: str) -> None:
    """Refuse addresses outside the subnet, and those that name it or everybody in it."""
    network, found = parsed_network(subnet["cidr"]), ipaddress.ip_address(address)
    usable = found in network
    if usable and network.version == 4 and network.prefixlen < 31:
        usable = found not in (network.network_address, network.broadcast_address)
    if usable and network.version == 6 and network.prefixlen < 127:
        usable = found != network.network_address
    if not usable:
        raise Error(
            400, "InvalidIpForSubnet", f"IP address {address} is not a valid IP for the specified subnet."
        )


def give(
    tx,
    network,
    port_id: str,
    mac: str,
    asked: list[dict] | None,
    kept: Iterable[dict] = (),
    device_owner: str = "",
) -> list[dict]:
    """Take the addresses a port asks for, or one of each version; the port's fixed_ips.

    `kept` are addresses that the port has already: they are used before new ones are taken. A subnet with
    service types gives of itself only to ports of such an owner.
    """
    if asked == []:
        return []
    subnets = tx.all(SUBNETS, order=("ip_version", "created_at", "id"), lock=True, network_id=network["id"])
    if asked is None:
        fitting = [row for row in subnets if not row["service_types"] or device_owner in row["service_types"]]
        if subnets and not fitting:
            raise Error(
                409,
                "IpAddressGenerationFailureNoMatchingSubnet",
                f"No valid service subnet for the given device owner '{device_owner}' on network "
                f"{network['id']}.",
            )
        return _one_of_each(tx, network, fitting, port_id, mac)
    pairs = [(_subnet_for(subnets, network, each), each.get("ip_address")) for each in asked]
    left = [dict(each) for each in kept]
    out: list[dict] = [{} for _ in pairs]
    for number, (subnet, address) in enumerate(pairs):
        if address is None:
            continue
        out[number] = {"subnet_id": subnet["id"], "ip_address": address}
        if out[number] in left:
            left.remove(out[number])
        else:
            check_usable(subnet, address)
            claim(tx, subnet, port_id, address)
    for number, (subnet, address) in enumerate(pairs):
        if address is not None:
            continue
        mine = next((each for each in left if each["subnet_id"] == subnet["id"]), None)
        if mine is not None:
            left.remove(mine)
            out[number] = mine
            continue
        given = allocate(tx, subnet, port_id, mac)
        if given is None:
            raise Error(
                409,
                "IpAddressGenerationFailure",
                f"No more IP addresses available on network {network['id']}.",
            )
        out[number] = {"subnet_id": subnet["id"], "ip_address": given}
    return out


def _subnet_for(subnets, network, asked: dict):
    subnet_id, address = asked.get("subnet_id"), asked.get("ip_address")
    if subnet_id is None and address is not None:
        subnet = subnet_of(subnets, address)
        if subnet is None:
            raise invalid_for_network(address)
        return subnet
    subnet = next((each for each in subnets if each["id"] == subnet_id), None)
    if subnet is None:
        raise Error(
            400,
            "InvalidInput",
            f"Invalid input for operation: Failed to create port on network "
            f"{network['id']}, because fixed_ips included invalid subnet {subnet_id}.",
        )
    if address is not None:
        check_usable(subnet, address)
    return subnet


def _one_of_each(tx, network, subnets, port_id: str, mac: str) -> list[dict]:
    out = []
    for version in (4, 6):
        plain = [subnet for subnet in subnets if subnet["ip_version"] == version and not is_automatic(subnet)]
        for subnet in plain:
            address = allocate(tx, subnet, port_id, mac)
            if address is not None:
                out.append({"subnet_id": subnet["id"], "ip_address": address})
                break
        else:
            if plain:
                raise Error(
                    409,
                    "IpAddressGenerationFailure",
                    f"No more IP addresses available on network {network['id']}.",
                )
    for subnet in subnets:
        if is_automatic(subnet):
            out.append({"subnet_id": subnet["id"], "ip_address": allocate(tx, subnet, port_id, mac)})
    return out


def give_back(tx, port_id: str, fixed_ips: list[dict] | None = None) -> None:
    """Free addresses of a port: these, or all."""
    if fixed_ips is None:
        tx.delete_all(ADDRESSES, port_id=port_id)
        return
    for each in fixed_ips:
        tx.delete_all(ADDRESSES, subnet_id=each["subnet_id"], address=each["ip_address"])


def forget_network(tx, network_id: str) -> None:
    tx.delete_all(ADDRESSES, network_id=network_id)
