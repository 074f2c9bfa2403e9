"""Server groups: servers that shall stand together, or apart.

A group is a wish for placing and nothing more: who belongs to it is written in the servers' own rows, so a
group can be deleted without touching a server, and a deleted server leaves its group by being deleted.

Source: compute API reference, "Server groups"; soft policies from 2.15, one policy and rules from 2.64 on.
"""

from __future__ import annotations

from typing import Any

from monostack.compute import quotas
from monostack.compute.servers.rows import SERVERS
from monostack.kit import quota
from monostack.kit.db import JSON, Column, Index, String, Table, stamps
from monostack.kit.errors import Error
from monostack.kit.resource import Field, Route

GROUPS = Table(
    "compute_server_groups",
    Column("project_id", String(64)),
    Column("user_id", String(64)),
    Column("name", String(255)),
    Column("policy", String(32)),
    Column("rules", JSON),
    *stamps(),
    Index("compute_server_groups_project", "project_id", "created_at"),
)

RULE = "os_compute_api:os-server-groups:"

SHOWN = (
    Field("id"),
    Field("name"),
    Field("policies", lambda row: [row["policy"]], until=(2, 63)),
    Field("policy", since=(2, 64)),
    Field("rules", lambda row: row["rules"] or {}, since=(2, 64)),
    Field("members"),
    Field("metadata", lambda row: {}, until=(2, 63)),
    Field("project_id", since=(2, 13)),
    Field("user_id", since=(2, 13)),
)


# What servers ask


def join(tx, caller, group_id: str, count: int) -> Any:
    """The group that `count` new servers are to be in; raises Error 400 or 403."""
    row = tx.one(GROUPS, id=group_id)
    if row is None or not (caller.admin or row["project_id"] == caller.project_id):
        raise Error(400, "InstanceGroupNotFound", f"Instance group {group_id} could not be found.")
    most = quotas.limit(tx, row["project_id"], "server_group_members")
    members = tx.count(SERVERS, group_id=group_id, user_id=caller.user_id)
    if most != quota.UNLIMITED and members + count > most:
        raise Error(403, "QuotaError", f"Quota exceeded, too many servers in group: {most} are allowed.")
    return row


def policy_of(db, group_id: str) -> tuple[str | None, dict[str, Any] | None]:
    """The policy and rules of a group; nothing for one that is gone."""
    row = db.one(GROUPS, id=group_id, lock=False)
    return (None, None) if row is None else (row["policy"], row["rules"])


def count(db, project_id: str) -> int:
    return db.count(GROUPS, project_id=project_id)


# What users ask


def index(request, db) -> dict[str, Any]:
    where = {"project_id": request.caller.project_id}
    if "all_projects" in request.query:
        request.demand(RULE + "index:all_projects")
        where = {}
    found = db.all(GROUPS, order=("created_at", "id"), **where)
    offset = int(request.query.get("offset", 0))
    page = found[offset:][: _limit(request)]
    members = _members(db, [row["id"] for row in page])
    shown = [row | {"members": members.get(row["id"], [])} for row in page]
    return {"server_groups": request.render_all(SHOWN, shown)}


def show(request, db) -> dict[str, Any]:
    return _shown(request, db, find(request, db))


def create(request, tx) -> dict[str, Any]:
    asked, caller = request.body["server_group"], request.caller
    policy = asked["policy"] if request.version >= (2, 64) else asked["policies"][0]
    _take(tx, caller.project_id)
    row = tx.insert(
        GROUPS,
        project_id=caller.project_id,
        user_id=caller.user_id,
        name=asked["name"],
        policy=policy,
        rules=_rules(asked.get("rules") or {}, policy),
    )
    return _shown(request, tx, row)


def delete(request, tx) -> None:
    row = find(request, tx)
    for server in tx.all(SERVERS, group_id=row["id"], lock=True):
        tx.set(server, group_id=None, updated_at=server["updated_at"])
    tx.delete(row)


def find(request, db) -> Any:
    """The group a request is about; another project's is not there, except for administrators."""
    group_id = request.path["id"]
    missing = Error(404, "InstanceGroupNotFound", f"Instance group {group_id} could not be found.")
    row = db.one(GROUPS, id=group_id, missing=missing)
    if row["project_id"] != request.caller.project_id and not request.caller.admin:
        raise missing
    return row


def _shown(request, db, row) -> dict[str, Any]:
    members = _members(db, [row["id"]]).get(row["id"], [])
    return {"server_group": request.render(SHOWN, row | {"members": members})}


def _members(db, group_ids: list[str]) -> dict[str, list[str]]:
    """The ids of each group's servers, oldest first."""
    found: dict[str, list[str]] = {}
    servers = db.all(SERVERS, order=("created_at", "id"), group_id=group_ids) if group_ids else []
    for server in servers:
        found.setdefault(server["group_id"], []).append(server["id"])
    return found


def _rules(asked: dict[str, Any], policy: str) -> dict[str, int]:
    if asked and policy != "anti-affinity":
        raise Error(400, "BadRequest", "Only anti-affinity policy supports rules.")
    return {name: int(value) for name, value in asked.items()}


def _take(tx, project_id: str) -> None:
    def used(tx, names) -> dict[str, int]:
        return {"server_groups": count(tx, project_id)}

    try:
        quota.check(tx, quotas.SERVICE, project_id, quotas.DEFAULTS, {"server_groups": 1}, used)
    except quota.Over as over:
        limit = over.over["server_groups"][2]
        raise Error(
            403, "ServerGroupLimitExceeded", f"Quota exceeded, too many server groups: {limit} are allowed."
        ) from None


def _limit(request) -> int | None:
    """`limit`, at most what the service allows; 0 asks for as many as allowed."""
    most = request.service.wire.max_limit
    return min(int(request.query.get("limit") or 0) or most, most)


ROUTES = (
    Route("GET", "/os-server-groups", index, RULE + "index", query="server_groups.index"),
    Route(
        "POST",
        "/os-server-groups",
        create,
        RULE + "create",
        ok=200,
        body="server_groups.create",
        event="compute.server_group.create",
    ),
    Route("GET", "/os-server-groups/{id}", show, RULE + "show", query="server_groups.show", target=find),
    Route(
        "DELETE",
        "/os-server-groups/{id}",
        delete,
        RULE + "delete",
        target=find,
        event="compute.server_group.delete",
    ),
)
