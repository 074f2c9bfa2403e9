"""The table of subnet pools; apart, because subnets, pools and address scopes all need it."""

from __future__ import annotations

from monostack.kit.db import JSON, Boolean, Column, Integer, String, Table
from monostack.network.tables import standard

SUBNETPOOLS = Table(
    "network_subnetpools",
    *standard(),
    Column("prefixes", JSON, default=list),
    Column("ip_version", Integer),
    Column("min_prefixlen", Integer),
    Column("max_prefixlen", Integer),
    Column("default_prefixlen", Integer),
    Column("default_quota", Integer),
    Column("address_scope_id", String(64), index=True),
    Column("shared", Boolean),
    Column("is_default", Boolean),
)
SUBNETPOOLS.info["stamp_updated"] = True
