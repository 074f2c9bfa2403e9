"""What each host should carry of the network: one row per host and part.

Networks, ports, security groups and routers are rows of the cloud; a host carries some of them. The rows here
say which, and in which version. They outlive what they stand for: when a port is deleted its row and its
address are gone at once, and the line here stays, desired absent, until the host has looked and reported it
absent.

A version counts the changes that matter to hosts; it is not the `revision_number` users see, which also
counts renames.
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.kit import agents
from monostack.kit.db import Column, Index, Integer, String, Table, Text, query
from monostack.network.tables import PORT_GROUPS, PORTS, SECURITY_GROUP_RULES

PARTS = Table(
    "network_parts",
    Column("host", String(255), primary_key=True, nullable=False),
    Column("kind", String(32), primary_key=True, nullable=False),
    Column("part_id", String(64), primary_key=True, nullable=False),
    Column("version", Integer),
    Column("desired", String(16)),
    Column("state", String(16)),
    Column("settled_version", Integer),
    Column("error", Text),
    Index("network_parts_part", "part_id", "kind"),
)

_BUMP = query(
    sa.update(PARTS)
    .where(
        PARTS.c.part_id == sa.bindparam("of_part"),
        PARTS.c.kind == sa.bindparam("of_kind"),
        PARTS.c.desired == "present",
    )
    .values(version=PARTS.c.version + 1)
)
_GROUPS_ON_HOST = query(
    sa.select(PORT_GROUPS.c.security_group_id)
    .join(PORTS, PORTS.c.id == PORT_GROUPS.c.port_id)
    .where(PORTS.c.host == sa.bindparam("on_host"), PORTS.c.guest == 1)
    .distinct()
)
_STILL_USED = query(
    sa.select(PORT_GROUPS.c.port_id)
    .join(PORTS, PORTS.c.id == PORT_GROUPS.c.port_id)
    .where(
        PORT_GROUPS.c.security_group_id == sa.bindparam("of_group"),
        PORTS.c.host == sa.bindparam("on_host"),
        PORTS.c.guest == 1,
    )
    .limit(1)
)
_REMOTES = query(
    sa.select(SECURITY_GROUP_RULES.c.security_group_id, SECURITY_GROUP_RULES.c.remote_group_id).where(
        SECURITY_GROUP_RULES.c.remote_group_id.is_not(None),
        SECURITY_GROUP_RULES.c.security_group_id == sa.bindparam("of_group"),
        SECURITY_GROUP_RULES.c.remote_group_id != sa.bindparam("of_group"),
    )
)


def want(tx, host: str, kind: str, id: str) -> None:  # noqa: A002
    """The host should carry the part, in its newest form."""
    row = tx.one(PARTS, host=host, kind=kind, part_id=id)
    if row is None:
        tx.insert(PARTS, host=host, kind=kind, part_id=id, version=1, desired="present")
    elif row["desired"] == "absent":
        tx.set(row, desired="present", version=row["version"] + 1)
    else:
        return
    tx.wake_host(host, (kind, id))


def release(tx, host: str, kind: str, id: str) -> None:  # noqa: A002
    """The host should no longer carry the part; the row ends when it reports so."""
    row = tx.one(PARTS, host=host, kind=kind, part_id=id)
    if row is None or row["desired"] == "absent":
        return
    tx.set(row, desired="absent", version=row["version"] + 1)
    tx.wake_host(host, (kind, id))


def release_everywhere(tx, kind: str, id: str) -> None:  # noqa: A002
    for row in tx.all(PARTS, part_id=id, kind=kind, desired="present"):
        release(tx, row["host"], kind, id)


def changed(tx, kind: str, id: str) -> None:  # noqa: A002
    """The part is different now: all hosts that carry it are told."""
    if not tx.execute(_BUMP, of_part=id, of_kind=kind):
        return
    for row in tx.all(PARTS, part_id=id, kind=kind, desired="present"):
        tx.wake_host(row["host"], (kind, id))


def carry_network(tx, host: str, network_id: str) -> None:
    want(tx, host, "network", network_id)


def drop_network(tx, host: str | None, network_id: str) -> None:
    """Take the network from the host, unless something there still needs it."""
    if host and tx.one(PORTS, lock=False, network_id=network_id, host=host) is None:
        release(tx, host, "network", network_id)


def with_remotes(db, groups: set[str]) -> set[str]:
    """The groups and all groups whose members their rules name."""
    found, ahead = set(groups), list(groups)
    while ahead:
        for row in db.run(_REMOTES, of_group=ahead.pop()):
            if row["remote_group_id"] not in found:
                found.add(row["remote_group_id"])
                ahead.append(row["remote_group_id"])
    return found


def carry_groups(tx, host: str, groups: list[str]) -> None:
    for group in sorted(with_remotes(tx, set(groups))):
        want(tx, host, "security_group", group)


def drop_groups(tx, host: str | None, groups: list[str]) -> None:
    """A port with these groups left the host: take the groups along that no other port there is in."""
    if host and any(tx.first(_STILL_USED, of_group=group, on_host=host) is None for group in groups):
        settle_groups(tx, host)


def settle_groups(tx, host: str) -> None:
    """Let the host carry just the groups that its guests' ports need."""
    needed = with_remotes(tx, {row["security_group_id"] for row in tx.run(_GROUPS_ON_HOST, on_host=host)})
    carried = {row["part_id"] for row in tx.all(PARTS, host=host, kind="security_group", desired="present")}
    for group in sorted(needed - carried):
        want(tx, host, "security_group", group)
    for group in sorted(carried - needed):
        release(tx, host, "security_group", group)


def settle_groups_of(tx, group: str) -> None:
    """The rules of a group name other groups now: hosts that carry it need those too."""
    for row in tx.all(PARTS, part_id=group, kind="security_group", desired="present"):
        settle_groups(tx, row["host"])


def is_carried(db, host: str, kind: str, id: str) -> bool:  # noqa: A002
    return db.one(PARTS, lock=False, host=host, kind=kind, part_id=id, desired="present") is not None


def is_alive(db, host: str) -> bool:
    row = db.one(agents.HOSTS, lock=False, name=host)
    return row is not None and agents.alive(db, row)


def alive_host(db) -> str | None:
    """A living host for a router: the one that carries the fewest, and none whose L3 agent is switched
    off."""
    from monostack.network import agents as shown

    off = {row["id"] for row in db.all(shown.NOTES, admin_state_up=False)}
    living = [
        row["name"]
        for row in agents.hosts(db)
        if agents.alive(db, row) and shown.agent_id(row["name"], shown.L3) not in off
    ]
    if len(living) < 2:
        return living[0] if living else None
    return min(living, key=lambda host: (db.count(PARTS, host=host, kind="router", desired="present"), host))
