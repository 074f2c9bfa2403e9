"""Subnets: the addresses of a network.

A subnet says which addresses ports of its network may have, which of them are handed out by themselves (the
allocation pools), and what guests are told with their lease. Subnets of one network never overlap; those of
different networks may.

Source: networking API reference, "Subnets"; RFC 4291 and RFC 8200 for what IPv6 addresses may be.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from monostack.kit.db import query
from monostack.kit.errors import Error
from monostack.network import addresses, checks, dhcp, hosting, limits, sharing, subnetpools
from monostack.network.attributes import DESCRIPTION, ID, NAME, OWNER, STANDARD, Attribute, boolean
from monostack.network.checks import parsed_network
from monostack.network.collection import Collection, routes, save
from monostack.network.networks import COLLECTION as NETWORK
from monostack.network.networks import check_mtu, shared_test
from monostack.network.ports import rows as port_rows
from monostack.network.subnetpools import COLLECTION as SUBNETPOOL
from monostack.network.tables import ADDRESSES, EVERYBODY, NETWORKS, PORTS, ROUTERS, SUBNETS

MOST_NAMESERVERS = 5
MOST_ROUTES = 20
IPV6_MODES = checks.one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac", None)
GIVEN: dict[str, Any] = {"filter": True, "sort": True, "post": True}

ATTRIBUTES = (
    ID,
    *OWNER,
    NAME,
    DESCRIPTION,
    Attribute("network_id", required=True, check=checks.uuid, **GIVEN),
    Attribute(
        "ip_version",
        required=True,
        convert=checks.integer,
        check=lambda value: checks.one_of(4, 6)(checks.integer(value)),
        **GIVEN,
    ),
    Attribute("cidr", check=checks.or_none(checks.cidr), **GIVEN),
    Attribute("gateway_ip", put=True, check=checks.or_none(checks.ip_address), **GIVEN),
    boolean("enable_dhcp", post=True, put=True, default=True, sort=True),
    Attribute("allocation_pools", post=True, put=True, check=checks.allocation_pools),
    Attribute("dns_nameservers", post=True, put=True, check=checks.nameservers),
    Attribute("host_routes", post=True, put=True, check=checks.host_routes),
    Attribute("ipv6_ra_mode", check=IPV6_MODES, **GIVEN),
    Attribute("ipv6_address_mode", check=IPV6_MODES, **GIVEN),
    Attribute("subnetpool_id", check=checks.or_none(checks.text(255)), **GIVEN),
    Attribute("prefixlen", post=True, check=checks.number(0, 128), shown=False),
    boolean("use_default_subnetpool", post=True, default=False, shown=False),
    Attribute("service_types", post=True, put=True, check=checks.names),
    Attribute(
        "segment_id",
        filter=True,
        post=True,
        put=True,
        guarded=True,
        default=None,
        check=checks.or_none(checks.uuid),
    ),
    boolean("router:external", "external"),
    *STANDARD,
)

_OTHERS_ON = query(
    sa.select(PORTS.c.id, PORTS.c.device_owner)
    .join(ADDRESSES, ADDRESSES.c.port_id == PORTS.c.id)
    .where(ADDRESSES.c.subnet_id == sa.bindparam("of_subnet"))
)


SEEN = sa.or_(
    SUBNETS.c.audience.in_([sa.bindparam("viewer"), EVERYBODY]),
    SUBNETS.c.network_id.in_(sharing.granted("network")),
)
"""Who sees a network sees its subnets."""


def may_see(db, row, viewer: str | None) -> bool:
    return row["audience"] in (viewer, EVERYBODY) or sharing.is_seen(db, row["network_id"], viewer)


def invalid(message: str) -> Error:
    return Error(400, "InvalidInput", f"Invalid input for operation: {message}")


def parents(db, row, viewer: str | None) -> dict:
    network = db.one(NETWORKS, lock=False, id=row["network_id"])
    if network is None:
        raise NETWORK.not_found(row["network_id"])
    return {
        "network:project_id": network["project_id"],
        "network:tenant_id": network["project_id"],
        "shared": sharing.is_open(db, network, viewer),
        "router:external": network["external"],
    }


def create(request, tx, values: dict):
    network = NETWORK.find(tx, request.caller, values["network_id"])
    limits.take(tx, values["project_id"], subnet=1)
    return store(tx, network, values, _pool(request, tx, values))


def _pool(request, tx, values: dict):
    """The pool that the subnet is to be cut from, None when it is not."""
    if values.get("subnetpool_id"):
        return SUBNETPOOL.find(tx, request.caller, values["subnetpool_id"])
    if not values["use_default_subnetpool"]:
        return None
    pool = subnetpools.default_pool(tx, values["ip_version"])
    if pool is None:
        raise Error(404, "SubnetPoolNotFound", "Subnet pool default could not be found.")
    return pool


def store(tx, network, values: dict, pool=None):
    """Add a subnet, cut from a pool if one is given; `values` by the wire's names."""
    version = values["ip_version"]
    check_mtu(network["mtu"], {version})
    cidr = _cidr(tx, network, values, pool)
    _check_modes(values, cidr)
    gateway = _gateway(cidr, values)
    pools = values.get("allocation_pools") or default_pools(cidr, gateway)
    check_pools(cidr, pools, gateway)
    nameservers, host_routes = values.get("dns_nameservers") or [], values.get("host_routes") or []
    _check_lengths(nameservers, host_routes)
    _check_versions(version, nameservers, host_routes)
    if values.get("segment_id") is not None:
        raise Error(404, "SegmentNotFound", f"Segment {values['segment_id']} could not be found.")
    row = tx.insert(
        SUBNETS,
        project_id=values["project_id"],
        name=values["name"],
        description=values["description"],
        audience=network["audience"],
        external=network["external"],
        network_id=network["id"],
        ip_version=version,
        cidr=cidr,
        gateway_ip=gateway,
        enable_dhcp=values["enable_dhcp"],
        ipv6_ra_mode=values.get("ipv6_ra_mode"),
        ipv6_address_mode=values.get("ipv6_address_mode"),
        allocation_pools=pools,
        host_routes=host_routes,
        dns_nameservers=nameservers,
        service_types=values.get("service_types") or [],
        revision_number=0,
        subnetpool_id=pool["id"] if pool is not None else None,
    )
    save(tx, network)
    if addresses.is_automatic(row):
        _give_to_all(tx, network, row)
    dhcp.settle(tx, network)
    return row


def _cidr(tx, network, values: dict, pool) -> str:
    cidr = values.get("cidr")
    if pool is not None:
        if pool["ip_version"] != values["ip_version"]:
            raise invalid(
                f"ip_version '{values['ip_version']}' does not match that of the pool, '{pool['ip_version']}'"
            )
        cidr = subnetpools.cut(tx, pool, values["project_id"], cidr, values.get("prefixlen"))
    if cidr is None:
        raise Error(
            400,
            "BadRequest",
            "Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
        )
    found = parsed_network(cidr)
    if found.version != values["ip_version"]:
        raise invalid(f"ip_version '{values['ip_version']}' does not match cidr ip_version '{found.version}'")
    if found.prefixlen == 0:
        raise invalid("0 is not allowed as CIDR prefix length")
    if found.version == 4 and found.is_multicast:
        raise invalid(f"Multicast IP subnet is not supported if enable_dhcp is True or for tenants: {cidr}.")
    for other in tx.all(SUBNETS, network_id=network["id"], ip_version=found.version):
        if found.overlaps(parsed_network(other["cidr"])):
            raise invalid(
                f"Requested subnet with cidr: {cidr} for network: {network['id']} overlaps with another "
                "subnet."
            )
    return cidr


def _check_modes(values: dict, cidr: str) -> None:
    ra_mode, address_mode = values.get("ipv6_ra_mode"), values.get("ipv6_address_mode")
    if ra_mode is None and address_mode is None:
        return
    if values["ip_version"] == 4:
        raise invalid("ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4")
    if not values["enable_dhcp"]:
        raise invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra_mode and address_mode and ra_mode != address_mode:
        raise invalid(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if (ra_mode or address_mode) in addresses.AUTOMATIC_MODES and parsed_network(cidr).prefixlen != 64:
        raise invalid(
            f"Invalid CIDR {cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which "
            "requires the prefix to be /64"
        )


def _gateway(cidr: str, values: dict) -> str | None:
    network = parsed_network(cidr)
    if "gateway_ip" in values:
        gateway = values["gateway_ip"]
        if gateway is not None:
            check_gateway(cidr, gateway)
        return gateway
    if network.num_addresses < 2:
        return None
    first = network[1] if network.num_addresses > 2 else network[0]
    return str(first)


def check_gateway(cidr: str, gateway: str) -> None:
    network, found = parsed_network(cidr), checks.parsed_address(gateway)
    if found.version != network.version:
        raise invalid(f"gateway_ip '{gateway}' does not match the ip_version '{network.version}'")
    if (
        found in network
        and network.num_addresses > 2
        and (found == network.network_address or (found.version == 4 and found == network.broadcast_address))
    ):
        raise invalid("Gateway is not valid on subnet")


def default_pools(cidr: str, gateway: str | None) -> list[dict]:
    """Everything but the gateway, and the addresses that name the subnet or everybody in it."""
    network = parsed_network(cidr)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.num_addresses > 2:
        first += 1
        last -= network.version == 4
    kind = type(network.network_address)
    ranges = [(first, last)]
    if gateway is not None and checks.parsed_address(gateway) in network:
        middle = int(checks.parsed_address(gateway))
        ranges = [(first, middle - 1), (middle + 1, last)]
    return [{"start": str(kind(low)), "end": str(kind(high))} for low, high in ranges if low <= high]


def check_pools(cidr: str, pools: list[dict], gateway: str | None) -> None:
    network = parsed_network(cidr)
    ranges = []
    for pool in pools:
        start, end = checks.parsed_address(pool["start"]), checks.parsed_address(pool["end"])
        words = f"{start}-{end}"
        if start.version != network.version or end.version != network.version or end < start:
            raise Error(400, "InvalidAllocationPool", f"The allocation pool {words} is not valid.")
        if (
            start not in network
            or end not in network
            or (
                network.version == 4
                and network.num_addresses > 2
                and (start == network.network_address or end == network.broadcast_address)
            )
        ):
            raise Error(
                400,
                "OutOfBoundsAllocationPool",
                f"The allocation pool {words} spans beyond the subnet cidr {cidr}.",
            )
        ranges.append((start, end, words))
    ranges.sort(key=lambda each: each[0])
    for (_, end, words), (start, _, others) in zip(ranges, ranges[1:], strict=False):
        if start <= end:
            raise Error(
                409,
                "OverlappingAllocationPools",
                f"Found overlapping allocation pools: {words} {others} for subnet {cidr}.",
            )
    if gateway is None:
        return
    found = checks.parsed_address(gateway)
    for start, end, words in ranges:
        if start <= found <= end:
            raise Error(
                409,
                "GatewayConflictWithAllocationPools",
                f"Gateway ip {gateway} conflicts with allocation pool {words}.",
            )


def _check_lengths(nameservers: list, host_routes: list) -> None:
    if len(nameservers) > MOST_NAMESERVERS:
        raise Error(
            400,
            "DNSNameServersExhausted",
            f"Unable to complete operation: there may be at most {MOST_NAMESERVERS} DNS nameservers.",
        )
    if len(host_routes) > MOST_ROUTES:
        raise Error(
            400,
            "HostRoutesExhausted",
            f"Unable to complete operation: there may be at most {MOST_ROUTES} host routes.",
        )


def _check_versions(version: int, nameservers: list, host_routes: list) -> None:
    for address in [*nameservers, *(route["nexthop"] for route in host_routes)]:
        if checks.parsed_address(address).version != version:
            raise invalid(f"{address} does not match the ip_version '{version}' of the subnet")
    for route in host_routes:
        if parsed_network(route["destination"]).version != version:
            raise invalid(f"{route['destination']} does not match the ip_version '{version}' of the subnet")


def _give_to_all(tx, network, subnet) -> None:
    """Hosts that make their own addresses make one in the new subnet, too."""
    for port in tx.all(PORTS, network_id=network["id"]):
        if port["device_owner"].startswith("network:"):
            continue
        address = addresses.allocate(tx, subnet, port["id"], port["mac_address"])
        port_rows.port_changed(
            tx, port, fixed_ips=[*port["fixed_ips"], {"subnet_id": subnet["id"], "ip_address": address}]
        )


def update(request, tx, row, sent: dict):
    changes = dict(sent)
    if changes.pop("segment_id", None) is not None:
        raise Error(404, "SegmentNotFound", f"Segment {sent['segment_id']} could not be found.")
    for name in ("dns_nameservers", "host_routes", "service_types"):
        if name in changes and changes[name] is None:
            changes[name] = []
    nameservers, host_routes = changes.get("dns_nameservers", []), changes.get("host_routes", [])
    _check_lengths(nameservers, host_routes)
    _check_versions(row["ip_version"], nameservers, host_routes)
    gateway = changes.get("gateway_ip", row["gateway_ip"])
    if gateway != row["gateway_ip"]:
        _may_change_gateway(tx, row)
        if gateway is not None:
            check_gateway(row["cidr"], gateway)
    pools = changes.get("allocation_pools", row["allocation_pools"])
    check_pools(row["cidr"], pools, gateway)
    if pools != row["allocation_pools"]:
        changes["cursor"] = None
    if changes.get("enable_dhcp") is False and (row["ipv6_ra_mode"] or row["ipv6_address_mode"]):
        raise invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    save(tx, row, **changes)
    network = tx.one(NETWORKS, id=row["network_id"])
    if "enable_dhcp" in changes:
        dhcp.settle(tx, network)
    else:
        hosting.changed(tx, "network", network["id"])
    if "gateway_ip" in changes:
        for router in tx.all(ROUTERS, gateway_network_id=network["id"]):
            hosting.changed(tx, "router", router["id"])
    return row


def _may_change_gateway(tx, row) -> None:
    if row["gateway_ip"] is None:
        return
    holder = tx.one(ADDRESSES, lock=False, subnet_id=row["id"], address=row["gateway_ip"])
    if holder is not None:
        raise Error(
            409,
            "GatewayIpInUse",
            f"Current gateway ip {row['gateway_ip']} already in use by port "
            f"{holder['port_id']}. Unable to update.",
        )


def delete(request, tx, row) -> None:
    automatic = addresses.is_automatic(row)
    for port in tx.run(_OTHERS_ON, of_subnet=row["id"]):
        router = port["device_owner"].startswith("network:router")
        if not port_rows.is_automatic(port) and not (automatic and not router):
            raise Error(
                409,
                "SubnetInUse",
                f"Unable to complete operation on subnet {row['id']}: One or more ports "
                "have an IP allocation from this subnet.",
            )
    network = tx.one(NETWORKS, id=row["network_id"])
    if automatic:
        _take_from_all(tx, network, row)
    tx.delete(row)
    dhcp.settle(tx, network)
    tx.delete_all(ADDRESSES, subnet_id=row["id"])
    save(tx, network)


def _take_from_all(tx, network, subnet) -> None:
    for port in tx.all(PORTS, network_id=network["id"]):
        left = [each for each in port["fixed_ips"] if each["subnet_id"] != subnet["id"]]
        if len(left) != len(port["fixed_ips"]):
            port_rows.set_addresses(tx, port, network, left)


COLLECTION = Collection(
    "subnet",
    "subnets",
    "subnets",
    SUBNETS,
    ATTRIBUTES,
    ("SubnetNotFound", "Subnet {id} could not be found."),
    among=SEEN,
    may_see=may_see,
    sieve=lambda request, db: shared_test(request, db, lambda row: row["network_id"]),
    sieves=frozenset(("shared",)),
    create=create,
    update=update,
    delete=delete,
    parents=parents,
)

ROUTES = routes(COLLECTION)
