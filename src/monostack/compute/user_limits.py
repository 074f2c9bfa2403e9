"""Limits of single users inside a project, below the project's own.

Only what servers take is limited for users: instances, cores, ram. Counted, like everything, from the
servers' rows.

Source: compute API reference, "Quota sets", the parameter user_id.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from monostack.compute.servers.rows import SERVERS
from monostack.kit.db import Column, Integer, String, Table, Unique, query

LIMITS = Table(
    "compute_user_limits",
    Column("project_id", String(64)),
    Column("user_id", String(64)),
    Column("resource", String(64)),
    Column("limit", Integer),
    Unique("project_id", "user_id", "resource"),
)
RESOURCES = ("instances", "cores", "ram")

_USED = query(
    sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(SERVERS.c.vcpus), 0),
        sa.func.coalesce(sa.func.sum(SERVERS.c.ram), 0),
    ).where(
        SERVERS.c.project_id == sa.bindparam("project"),
        SERVERS.c.user_id == sa.bindparam("user"),
        SERVERS.c.live == 1,
    )
)


def of(db, project_id: str, user_id: str) -> dict[str, int]:
    """The limits that an operator set for the user."""
    return {row["resource"]: row["limit"] for row in db.all(LIMITS, project_id=project_id, user_id=user_id)}


def used(db, project_id: str, user_id: str) -> dict[str, int]:
    found = db.first(_USED, project=project_id, user=user_id).values()
    return dict(zip(RESOURCES, map(int, found), strict=True))


def put(tx, project_id: str, user_id: str, wanted: Mapping[str, int]) -> None:
    for resource, limit in wanted.items():
        row = tx.one(LIMITS, project_id=project_id, user_id=user_id, resource=resource)
        if row is None:
            tx.insert(LIMITS, project_id=project_id, user_id=user_id, resource=resource, limit=limit)
        else:
            tx.set(row, limit=limit)


def reset(tx, project_id: str, user_id: str | None = None) -> None:
    """Take the limits of a user, or of all users of a project, away."""
    where = {} if user_id is None else {"user_id": user_id}
    tx.delete_all(LIMITS, project_id=project_id, **where)
