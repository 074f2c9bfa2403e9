"""Quota: how much a project may have, counted from the rows themselves.

Nothing is kept in a counter, so no unit can leak: inside the transaction that adds, the project's quota row
is locked (on PostgreSQL two creates at quota 1 otherwise both pass) and what exists is counted through an
index.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from monostack.kit.db.columns import Column, Integer, String, Table, Unique

if TYPE_CHECKING:
    from monostack.kit.db.tx import Db, Tx

LIMITS = Table(
    "quota_limits",
    Column("service", String(32)),
    Column("project_id", String(64)),
    Column("resource", String(64)),
    Column("limit", Integer),
    Unique("service", "project_id", "resource"),
)
"""Limits that differ from the default. project_id "" is a quota class: the default an operator set for
everybody."""

LOCKS = Table(
    "quota_locks",
    Column("service", String(32), primary_key=True),
    Column("project_id", String(64), primary_key=True),
)

UNLIMITED = -1


class Over(Exception):
    """More was asked for than the quota leaves. `over` maps resource -> (wanted, used, limit)."""

    def __init__(self, over: dict[str, tuple[int, int, int]]) -> None:
        super().__init__(
            ", ".join(
                f"{name}: {wanted} more of {limit}, {used} used"
                for name, (wanted, used, limit) in over.items()
            )
        )
        self.over = over


def limits(db: Db, service: str, project_id: str | None, defaults: Mapping[str, int]) -> dict[str, int]:
    """The limits in force for a project; -1 is unlimited."""
    out = dict(defaults)
    rows = db.all(LIMITS, service=service, project_id=["", project_id])
    for row in sorted(rows, key=lambda row: row["project_id"] != ""):
        if row["resource"] in out:
            out[row["resource"]] = row["limit"]
    return out


def lock(tx: Tx, service: str, project_id: str) -> None:
    """Make others who want to add to the same project wait until this transaction ends."""
    if tx.cloud.engine.name == "sqlite":
        return
    if tx.one(LOCKS, service=service, project_id=project_id) is not None:
        return
    from monostack.kit.db.rows import Taken

    try:
        with tx.nested():
            tx.insert(LOCKS, service=service, project_id=project_id)
    except Taken:
        pass
    tx.one(LOCKS, service=service, project_id=project_id)


def check(
    tx: Tx, service: str, project_id: str, defaults: Mapping[str, int], wanted: Mapping[str, int], used
) -> None:
    """Raise Over unless `wanted` more of each resource fits.

    `used(tx, names) -> {resource: count}` counts what the project has; it is called after the lock is held.
    """
    lock(tx, service, project_id)
    allowed = limits(tx, service, project_id, defaults)
    names = [name for name in wanted if allowed.get(name, UNLIMITED) != UNLIMITED]
    if not names:
        return
    have = used(tx, names)
    over = {
        name: (wanted[name], have[name], allowed[name])
        for name in names
        if have[name] + wanted[name] > allowed[name] and wanted[name] > 0
    }
    if over:
        raise Over(over)


def set_limit(tx: Tx, service: str, project_id: str, resource: str, value: int) -> None:
    """Set one limit of a project (or of everybody: project_id "")."""
    lock(tx, service, project_id)
    row = tx.one(LIMITS, service=service, project_id=project_id, resource=resource)
    if row is None:
        tx.insert(LIMITS, service=service, project_id=project_id, resource=resource, limit=value)
    else:
        tx.set(row, limit=value)


def reset(tx: Tx, service: str, project_id: str) -> None:
    """Back to the defaults."""
    tx.delete_all(LIMITS, service=service, project_id=project_id)
