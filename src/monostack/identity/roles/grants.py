"""Which roles a user has where: what tokens, checks and lists of projects are decided by.

A role counts on a project if it was assigned there to the user or one of his groups, or with the inherited
flag to a project above or the domain; on a domain and on the system if it was assigned there. What a role
implies counts too. A domain's own role never stands in a token, only what it implies. A user's groups are
those that he is in, those that an identity provider said he is in and still is trusted for, and (`group_ids`)
those that his token names.

Source: identity API reference, "Roles", "Assign role to user on projects owned by a domain", "Role
inferences"."""

from collections.abc import Collection

import sqlalchemy as sa

from monostack.identity.federation.tables import EXPIRING_MEMBERSHIPS
from monostack.identity.tables import ASSIGNMENTS, IMPLIED_ROLES, MEMBERSHIPS, PROJECTS, ROLES
from monostack.kit.db import Db, Row, gt, query

AT_ONCE = 8
"""How many targets one statement asks for: a project and what usually stands above it."""
SYSTEM = "system"

_groups = sa.select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.user_id == sa.bindparam("user_id"))
_said = sa.select(EXPIRING_MEMBERSHIPS.c.group_id).where(
    EXPIRING_MEMBERSHIPS.c.user_id == sa.bindparam("user_id"),
    EXPIRING_MEMBERSHIPS.c.expires_at > sa.bindparam("now"),
)
_actor = sa.or_(
    sa.and_(ASSIGNMENTS.c.actor_kind == "user", ASSIGNMENTS.c.actor_id == sa.bindparam("user_id")),
    sa.and_(ASSIGNMENTS.c.actor_kind == "group", ASSIGNMENTS.c.actor_id.in_(_groups.union(_said))),
)
_OF_USER = query(sa.select(ASSIGNMENTS).where(_actor), ASSIGNMENTS)
_OF_USER_ON = query(
    sa.select(ASSIGNMENTS).where(
        _actor, ASSIGNMENTS.c.target_id.in_([sa.bindparam(f"target_{n}") for n in range(AT_ONCE)])
    ),
    ASSIGNMENTS,
)


def of_user(db: Db, user_id: str, group_ids: Collection[str] = ()) -> list[Row]:
    """Every assignment to the user and to his groups."""
    found = db.run(_OF_USER, user_id=user_id, now=db.now)
    if not group_ids:
        return found
    more = db.all(ASSIGNMENTS, actor_kind="group", actor_id=list(group_ids))
    return list({row["id"]: row for row in (*found, *more)}.values())


def membership_ends(db: Db, user_ids: list[str]) -> str | None:
    """When the first of the users will no longer be in a group that an identity provider said he is in."""
    found = db.all(EXPIRING_MEMBERSHIPS, user_id=user_ids, expires_at=gt(db.now), order="expires_at", limit=1)
    return found[0]["expires_at"] if found else None


def above(db: Db, project: Row) -> list[str]:
    """The ids of the projects above a project, nearest first; the domain is last."""
    out = []
    parent_id = project["parent_id"]
    while parent_id is not None and parent_id not in out:
        out.append(parent_id)
        if parent_id == project["domain_id"]:
            break
        parent = db.one(PROJECTS, id=parent_id, lock=False)
        parent_id = parent and parent["parent_id"]
    return out


def on_project(db: Db, user_id: str, project: Row, group_ids: Collection[str] = ()) -> set[str]:
    """The ids of the roles assigned to the user that count on the project, without what they imply."""
    chain = [project["id"], *above(db, project)]
    found = _on(db, user_id, chain, group_ids)
    return {row["role_id"] for row in found if counts_on_project(row, project["id"])}


def counts_on_project(assignment: Row, project_id: str) -> bool:
    """Whether an assignment on the project or on something above it counts on the project itself."""
    here = assignment["target_kind"] == "project" and assignment["target_id"] == project_id
    return here != assignment["inherited"]


def on_domain(db: Db, user_id: str, domain_id: str, group_ids: Collection[str] = ()) -> set[str]:
    return {
        row["role_id"]
        for row in _on(db, user_id, [domain_id], group_ids)
        if row["target_kind"] == "domain" and not row["inherited"]
    }


def on_system(db: Db, user_id: str, group_ids: Collection[str] = ()) -> set[str]:
    return {
        row["role_id"]
        for row in _on(db, user_id, [SYSTEM], group_ids)
        if row["target_kind"] == "system" and not row["inherited"]
    }


def _on(db: Db, user_id: str, targets: list[str], group_ids: Collection[str]) -> list[Row]:
    out = []
    if group_ids:
        out = db.all(ASSIGNMENTS, actor_kind="group", actor_id=list(group_ids), target_id=targets)
    for start in range(0, len(targets), AT_ONCE):
        some = targets[start : start + AT_ONCE]
        some += some[:1] * (AT_ONCE - len(some))
        named = {f"target_{n}": target for n, target in enumerate(some)}
        out += db.run(_OF_USER_ON, user_id=user_id, now=db.now, **named)
    return out


def implications(db: Db) -> dict[str, list[str]]:
    """Role id -> the ids of the roles that it implies directly."""
    out: dict[str, list[str]] = {}
    for row in db.all(IMPLIED_ROLES):
        out.setdefault(row["prior_role_id"], []).append(row["implied_role_id"])
    return out


def expanded(role_ids: set[str], implied: dict[str, list[str]]) -> list[str]:
    """The roles and all that they imply, in the order in which they are reached."""
    out = sorted(role_ids)
    seen = set(out)
    for role_id in out:
        for follower in implied.get(role_id, ()):
            if follower not in seen:
                seen.add(follower)
                out.append(follower)
    return out


def shown(db: Db, role_ids: set[str]) -> list[dict[str, str]]:
    """The roles of a token: implied ones included, roles of a domain left out."""
    if not role_ids:
        return []
    wanted = expanded(role_ids, implications(db))
    known = {row["id"]: row for row in db.all(ROLES, id=wanted)}
    return [
        {"id": role_id, "name": known[role_id]["name"]}
        for role_id in wanted
        if role_id in known and not known[role_id]["domain_id"]
    ]
