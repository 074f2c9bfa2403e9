"""Sharing: what a project lets others use, by RBAC policies.

A policy says: this object may be used (`access_as_shared`) or seen as the outer world (`access_as_external`)
by that project, or by everybody ("*"). The flags `shared` and `router:external` are the short way to say the
same for everybody, so flag and policy are kept equal: setting the flag makes the policy, deleting the policy
clears the flag.

Source: networking API reference, "RBAC Policies".
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.kit.db import Column, Index, String, Table, Unique, query, stamps
from monostack.network.tables import EVERYBODY, all_in

SHARED, EXTERNAL = "access_as_shared", "access_as_external"

POLICIES = Table(
    "network_rbac_policies",
    Column("project_id", String(64), index=True),
    Column("object_type", String(64)),
    Column("object_id", String(64)),
    Column("action", String(64)),
    Column("target_project", String(64)),
    *stamps(),
    Unique("object_id", "action", "target_project"),
    Index("network_rbac_policies_target", "target_project", "object_type"),
)


def _grants(*actions: str):
    return query(
        sa.select(POLICIES.c.object_id)
        .where(
            POLICIES.c.object_id == sa.bindparam("of_object"),
            POLICIES.c.action.in_(actions),
            POLICIES.c.target_project.in_([sa.bindparam("to_project"), EVERYBODY]),
        )
        .limit(1)
    )


_USE, _SIGHT = _grants(SHARED), _grants(SHARED, EXTERNAL)


def granted(object_type: str):
    """A Core SELECT of the ids of objects that the "viewer" sees because of a policy."""
    return sa.select(POLICIES.c.object_id).where(
        POLICIES.c.object_type == object_type,
        POLICIES.c.target_project.in_([sa.bindparam("viewer"), EVERYBODY]),
    )


def is_granted(db, object_id: str, project_id: str | None) -> bool:
    """Whether the object may be used by the project because of a policy."""
    return db.first(_USE, of_object=object_id, to_project=project_id or "") is not None


def is_seen(db, object_id: str, project_id: str | None) -> bool:
    """Whether the object is seen by the project because of a policy."""
    return db.first(_SIGHT, of_object=object_id, to_project=project_id or "") is not None


def is_open(db, row, project_id: str | None) -> bool:
    """Whether the project may use the object because it is shared, not because it owns it."""
    return row["shared"] or (row["project_id"] != project_id and is_granted(db, row["id"], project_id))


def granted_among(db, ids: list[str], project_id: str | None) -> set[str]:
    """Which of these objects are shared with the project or with everybody."""
    rows = all_in(db, POLICIES, "object_id", ids, action=SHARED, target_project=[project_id or "", EVERYBODY])
    return {row["object_id"] for row in rows}


def shared_with(db, object_type: str, project_id: str | None) -> set[str]:
    """The ids of all objects of a kind that are shared with the project or with everybody."""
    rows = db.all(
        POLICIES, object_type=object_type, action=SHARED, target_project=[project_id or "", EVERYBODY]
    )
    return {row["object_id"] for row in rows}


def targets(db, object_id: str, action: str) -> set[str]:
    """Whom the policies of an object name."""
    return {row["target_project"] for row in db.all(POLICIES, object_id=object_id, action=action)}


def mirror(tx, object_type: str, row, action: str, wanted: bool) -> None:
    """The flag of an object was set: there is a policy for everybody, or (external: for anybody) none."""
    if wanted:
        if tx.one(POLICIES, object_id=row["id"], action=action, target_project=EVERYBODY) is None:
            tx.insert(
                POLICIES,
                project_id=row["project_id"],
                object_type=object_type,
                object_id=row["id"],
                action=action,
                target_project=EVERYBODY,
            )
    elif action == EXTERNAL:
        tx.delete_all(POLICIES, object_id=row["id"], action=action)
    else:
        tx.delete_all(POLICIES, object_id=row["id"], action=action, target_project=EVERYBODY)


def forget(tx, object_id: str) -> None:
    """The object is gone, and with it whatever was said of it."""
    tx.delete_all(POLICIES, object_id=object_id)
