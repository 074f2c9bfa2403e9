"""The tables of networking, in one place because they refer to each other.

Three choices are worth knowing. A port's addresses and security groups stand twice: as rows (unique,
searchable, counted) and, in the wire's form, on the port itself, so that a list of a thousand ports is one
statement; only `ports.rows` writes both. `audience` says who sees a network or subnet besides its owner: the
owner's id, or "*" for everybody, so that "mine, shared or external" is one indexed comparison. `position` is
an address counted from the start of its subnet; it is empty where it would not fit 62 bits, which only
addresses chosen by hand or by a MAC ever do.
"""

from __future__ import annotations

from monostack.kit.db import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    Unique,
    stamps,
)

EVERYBODY = "*"


def standard() -> tuple:
    """What every resource has: owner, texts, tags, revision, moments."""
    return (
        Column("project_id", String(64), index=True),
        Column("name", String(255)),
        Column("description", String(255)),
        Column("tags", JSON, default=list),
        Column("revision_number", Integer, default=lambda: 0),
        *stamps(),
    )


def _stamped(table):
    table.info["stamp_updated"] = True
    return table


NETWORKS = _stamped(
    Table(
        "network_networks",
        *standard(),
        Column("audience", String(64), index=True),
        Column("admin_state_up", Boolean),
        Column("shared", Boolean),
        Column("external", Boolean),
        Column("is_default", Boolean),
        Column("mtu", Integer),
        Column("port_security_enabled", Boolean),
        Column("network_type", String(32)),
        Column("physical_network", String(64)),
        Column("segmentation_id", Integer),
        Column("segment_key", String(128), unique=True),
        Column("availability_zone_hints", JSON, default=list),
        Column("status", String(16)),
    )
)

SUBNETS = _stamped(
    Table(
        "network_subnets",
        *standard(),
        Column("audience", String(64), index=True),
        Column("network_id", String(64), index=True),
        Column("external", Boolean),
        Column("ip_version", Integer),
        Column("cidr", String(64)),
        Column("gateway_ip", String(64)),
        Column("enable_dhcp", Boolean),
        Column("ipv6_ra_mode", String(40)),
        Column("ipv6_address_mode", String(40)),
        Column("allocation_pools", JSON, default=list),
        Column("host_routes", JSON, default=list),
        Column("dns_nameservers", JSON, default=list),
        Column("service_types", JSON, default=list),
        Column("subnetpool_id", String(64), index=True),
        Column("segment_id", String(64)),
        Column("cursor", BigInteger),
    )
)

PORTS = _stamped(
    Table(
        "network_ports",
        *standard(),
        Column("network_id", String(64)),
        Column("network_project_id", String(64), index=True),
        Column("mac_address", String(32)),
        Column("admin_state_up", Boolean),
        Column("status", String(16)),
        Column("device_id", String(255), index=True),
        Column("device_owner", String(255), index=True),
        Column("fixed_ips", JSON, default=list),
        Column("security_groups", JSON, default=list),
        Column("port_security_enabled", Boolean),
        Column("allowed_address_pairs", JSON, default=list),
        Column("extra_dhcp_opts", JSON, default=list),
        Column("host", String(255)),
        Column("guest", Integer),
        Column("hostname", String(255)),
        Column("vnic_type", String(64)),
        Column("profile", JSON, default=dict),
        Column("vif_type", String(64)),
        Column("vif_details", JSON, default=dict),
        Column("qos_policy_id", String(64)),
        Unique("network_id", "mac_address"),
        Index("network_ports_host", "host", "network_id"),
    )
)

ADDRESSES = Table(
    "network_addresses",
    Column("subnet_id", String(64), primary_key=True, nullable=False),
    Column("address", String(64), primary_key=True, nullable=False),
    Column("position", BigInteger),
    Column("port_id", String(64), index=True),
    Column("network_id", String(64)),
    Index("network_addresses_position", "subnet_id", "position"),
    Index("network_addresses_address", "address"),
)

PORT_GROUPS = Table(
    "network_port_groups",
    Column("security_group_id", String(64), primary_key=True, nullable=False),
    Column("port_id", String(64), primary_key=True, nullable=False, index=True),
)

SECURITY_GROUPS = _stamped(
    Table(
        "network_security_groups",
        *standard(),
        Column("stateful", Boolean),
        Column("default_of", String(64), unique=True),
        Column("shared", Boolean),
    )
)

SECURITY_GROUP_RULES = _stamped(
    Table(
        "network_security_group_rules",
        Column("project_id", String(64), index=True),
        Column("security_group_id", String(64), index=True),
        Column("description", String(255)),
        Column("direction", String(16)),
        Column("ethertype", String(16)),
        Column("protocol", String(40)),
        Column("port_range_min", Integer),
        Column("port_range_max", Integer),
        Column("remote_ip_prefix", String(255)),
        Column("normalized_cidr", String(255)),
        Column("remote_group_id", String(64), index=True),
        Column("remote_address_group_id", String(64)),
        Column("belongs_to_default_sg", Boolean),
        Column("signature", Text),
        Column("revision_number", Integer, default=lambda: 0),
        *stamps(),
    )
)

ROUTERS = _stamped(
    Table(
        "network_routers",
        *standard(),
        Column("admin_state_up", Boolean),
        Column("status", String(16)),
        Column("host", String(255), index=True),
        Column("gateway_network_id", String(64), index=True),
        Column("gateway_port_id", String(64)),
        Column("gateway_ips", JSON, default=list),
        Column("enable_snat", Boolean),
        Column("routes", JSON, default=list),
        Column("availability_zone_hints", JSON, default=list),
        Column("flavor_id", String(64)),
    )
)

FLOATING_IPS = _stamped(
    Table(
        "network_floating_ips",
        *standard(),
        Column("floating_network_id", String(64), index=True),
        Column("floating_ip_address", String(64), index=True),
        Column("floating_port_id", String(64)),
        Column("port_id", String(64)),
        Column("fixed_ip_address", String(64)),
        Column("router_id", String(64), index=True),
        Column("status", String(16)),
        Column("qos_policy_id", String(64)),
        Unique("port_id", "fixed_ip_address", "floating_network_id"),
    )
)

TABLES = (
    NETWORKS,
    SUBNETS,
    PORTS,
    ADDRESSES,
    PORT_GROUPS,
    SECURITY_GROUPS,
    SECURITY_GROUP_RULES,
    ROUTERS,
    FLOATING_IPS,
)

MANY = 5000


def all_in(db, table, column: str, values, **options) -> list:
    """Rows whose column has one of many values; asked for in parts, since databases bound a statement's
    size."""
    wanted = list(values)
    out = []
    for start in range(0, len(wanted), MANY):
        out += db.all(table, **options, **{column: wanted[start : start + MANY]})
    return out
