"""The hosts that carry servers, as compute knows them.

A row is made when a host's agent says hello for the first time and follows what the agent tells afterwards;
what an operator decides (disabled, zone) is kept. The row's id is the hypervisor's id, and also the id of
the host's provider in placement, so that nothing has to be looked up to get from one to the other.

Whether a host is up is not stored: it is a question about when its agent was last heard of.
"""

from typing import Any

import sqlalchemy as sa

from monostack.kit.agents import ALIVE_SECONDS
from monostack.kit.agents import HOSTS as AGENTS
from monostack.kit.db import JSON, Boolean, Column, Integer, String, Table, Text, query, stamps
from monostack.kit.ids import new_uuid

HOSTS = Table(
    "compute_hosts",
    Column("name", String(255), unique=True),
    Column("number", Integer),
    Column("service_id", String(36)),
    Column("zone", String(255)),
    Column("disabled", Boolean, default=lambda: False),
    Column("disabled_reason", Text),
    Column("forced_down", Boolean, default=lambda: False),
    Column("hypervisor_type", String(64)),
    Column("hypervisor_version", Integer),
    Column("vcpus", Integer),
    Column("memory_mb", Integer),
    Column("local_gb", Integer),
    Column("cpu_info", JSON),
    Column("acceleration", String(64)),
    Column("host_ip", String(64)),
    *stamps(),
)
"""`zone` is None for a host that no aggregate puts into an availability zone."""

TRAITS = frozenset(
    (
        "COMPUTE_NODE",
        "COMPUTE_DEVICE_TAGGING",
        "COMPUTE_NET_ATTACH_INTERFACE",
        "COMPUTE_IMAGE_TYPE_QCOW2",
        "COMPUTE_IMAGE_TYPE_RAW",
        "HW_ARCH_X86_64",
    )
)
DISABLED_TRAIT = "COMPUTE_STATUS_DISABLED"

WITH_AGENTS = query(
    sa.select(HOSTS, AGENTS.c.seen_at)
    .join_from(HOSTS, AGENTS, AGENTS.c.name == HOSTS.c.name, isouter=True)
    .order_by(HOSTS.c.number)
)


def on_hello(tx, agent) -> None:
    """A host's agent told what the host has: remember it and offer it to placement."""
    inventory: dict[str, Any] = agent["inventory"] or {}
    known = {
        "hypervisor_type": inventory.get("hypervisor_type", "QEMU"),
        "hypervisor_version": inventory.get("hypervisor_version", 0),
        "vcpus": inventory.get("vcpus", 0),
        "memory_mb": inventory.get("memory_mb", 0),
        "local_gb": inventory.get("local_gb", 0),
        "cpu_info": inventory.get("cpu_info") or {},
        "acceleration": inventory.get("acceleration"),
        "host_ip": inventory.get("host_ip", "127.0.0.1"),
    }
    row = tx.one(HOSTS, name=agent["name"])
    if row is None:
        number = max((host["number"] for host in tx.all(HOSTS)), default=0) + 1
        row = tx.insert(HOSTS, name=agent["name"], number=number, service_id=new_uuid(), **known)
        tx.event("compute.service.create", row["id"], host=row["name"])
    elif any(row[name] != value for name, value in known.items()):
        tx.set(row, **known)
    offer(tx, row)


def offer(tx, row) -> None:
    """Make the host's provider in placement what the host and the settings say."""
    from monostack import placement

    settings = tx.cloud.settings.compute
    reserved = min(settings.reserved_ram_mb, row["memory_mb"] // 2)
    inventories = {
        "VCPU": {
            "total": row["vcpus"],
            "allocation_ratio": settings.cpu_allocation_ratio,
            "max_unit": row["vcpus"],
        },
        "MEMORY_MB": {
            "total": row["memory_mb"],
            "reserved": reserved,
            "max_unit": row["memory_mb"],
            "allocation_ratio": settings.ram_allocation_ratio,
        },
        "DISK_GB": {
            "total": row["local_gb"],
            "allocation_ratio": settings.disk_allocation_ratio,
            "max_unit": row["local_gb"],
        },
    }
    have = {name: each for name, each in inventories.items() if each["total"] > 0}
    traits = TRAITS | {DISABLED_TRAIT} if row["disabled"] else TRAITS
    placement.ensure_provider(tx, row["id"], row["name"], have, traits)


def known(db) -> list:
    """All hosts, each with `seen_at`, `up` (in nova's words: the service's state) and `zone` filled in."""
    default = db.cloud.settings.compute.default_availability_zone
    oldest = db.cloud.clock.after(-ALIVE_SECONDS)
    rows = db.run(WITH_AGENTS)
    for row in rows:
        row["up"] = row["seen_at"] is not None and row["seen_at"] > oldest and not row["forced_down"]
        row["zone"] = row["zone"] or default
    return rows


def is_up(db, name: str | None) -> bool:
    """Whether the host of that name has been heard of lately."""
    return any(row["name"] == name and row["up"] for row in known(db))


def statuses(db) -> dict[str, str]:
    """{host: host_status} as servers show it."""
    return {row["name"]: _status(row) for row in known(db)}


def _status(row) -> str:
    if row["forced_down"]:
        return "DOWN"
    if row["disabled"]:
        return "MAINTENANCE"
    return "UP" if row["up"] else "UNKNOWN"
