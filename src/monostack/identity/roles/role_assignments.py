"""The list of role assignments, as they were given or as they take effect.

As given, a row is an entry. In effect, a group stands for its members, an inherited assignment for each
project below, a role also for what it implies, and a domain's own role only for what it implies; each entry
links to the assignment that it comes from. What takes effect on the whole system is listed when that is asked
for.

Source: identity API reference, "Role assignments"; what a current identity service answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from monostack.identity.attributes import bad
from monostack.identity.projects import projects
from monostack.identity.roles import grants
from monostack.identity.tables import ASSIGNMENTS, GROUPS, MEMBERSHIPS, PROJECTS, ROLES, USERS
from monostack.identity.users import users
from monostack.kit.db import Db, Row
from monostack.kit.request import Request
from monostack.kit.resource import Route

NO = "0"


class Entry(NamedTuple):
    """An assignment, as given or in effect. `group_id` and `prior_role_id` say by what it takes effect."""

    given: Row
    actor_kind: str
    actor_id: str
    target_kind: str
    target_id: str
    role_id: str
    group_id: str | None = None
    prior_role_id: str | None = None


def target(request: Request, db: Db) -> dict:
    return {"target.domain_id": request.caller.domain_id}


def tree_target(request: Request, db: Db) -> dict:
    project = db.one(PROJECTS, id=request.query.get("scope.project.id"))
    return {"target.domain_id": project and project["domain_id"]}


def index(request: Request, db: Db) -> dict:
    if _flag(request, "include_subtree"):
        request.demand("identity:list_role_assignments_for_tree", tree_target(request, db))
    asked = _Asked(request)
    entries = asked.entries(db)
    if request.caller.domain_id:
        entries = _in_domain(db, entries, request.caller.domain_id)
    names = _Names(db, entries) if _flag(request, "include_names") else None
    return request.list("role_assignments", [_shown(request, entry, names) for entry in entries], [])


def _flag(request: Request, name: str) -> bool:
    """A parameter that is on by being there, unless it says 0."""
    return request.query.get(name, NO) != NO


class _Asked:
    """The filters of the query; raises Error 400 where they contradict one another."""

    def __init__(self, request: Request) -> None:
        query = request.query
        self.user_id, self.group_id = query.get("user.id"), query.get("group.id")
        self.role_id = query.get("role.id")
        self.project_id, self.domain_id = query.get("scope.project.id"), query.get("scope.domain.id")
        self.system = "scope.system" in query
        inherited_to = query.get("scope.OS-INHERIT:inherited_to")
        self.inherited = None if inherited_to is None else inherited_to == "projects"
        self.effective = _flag(request, "effective")
        self.subtree = _flag(request, "include_subtree")
        if self.user_id and self.group_id:
            raise bad("Specify a user or group, not both")
        if sum(map(bool, (self.project_id, self.domain_id, self.system))) > 1:
            raise bad(
                "Specify a domain or project, not both"
                if not self.system
                else "Specify system or a domain or a project, not several"
            )
        if self.effective and self.group_id:
            raise bad("Combining effective and group filter will always result in an empty list.")
        if self.effective and self.inherited and (self.domain_id or self.system):
            raise bad(
                "Combining effective, domain and inherited filters will always result in an empty list."
            )

    def entries(self, db: Db) -> list[Entry]:
        if self.effective:
            return self._in_effect(db)
        where: dict = {}
        if self.user_id or self.group_id:
            where |= {
                "actor_kind": "user" if self.user_id else "group",
                "actor_id": self.user_id or self.group_id,
            }
        if self.role_id:
            where["role_id"] = self.role_id
        if self.project_id:
            where |= {"target_kind": "project", "target_id": self._projects(db, self.project_id)}
        elif self.domain_id:
            where |= {"target_kind": "domain", "target_id": self.domain_id}
        elif self.system:
            where["target_kind"] = "system"
        if self.inherited is not None:
            where["inherited"] = self.inherited
        rows = db.all(ASSIGNMENTS, order=("target_kind", "target_id", "actor_id", "role_id"), **where)
        return [_as_given(row) for row in rows]

    def _projects(self, db: Db, project_id: str) -> list[str]:
        below = [row["id"] for row in projects.below(db, project_id)] if self.subtree else []
        return [project_id, *below]

    def _in_effect(self, db: Db) -> list[Entry]:
        if self.user_id:
            users.find(db, self.user_id)
        if self.project_id:
            projects.find(db, self.project_id)
        rows = grants.of_user(db, self.user_id) if self.user_id else db.all(ASSIGNMENTS)
        wanted = set(self._projects(db, self.project_id)) if self.project_id else None
        chains = _Chains(db, self.role_id)
        below = lru_cache(None)(lambda target_id: [row["id"] for row in projects.below(db, target_id)])
        members = lru_cache(None)(lambda group_id: self._members(db, group_id))
        return [
            Entry(*entry[:5], role_id, entry.group_id, prior_role_id)
            for row in sorted(rows, key=lambda row: (row["target_kind"], row["target_id"], row["role_id"]))
            for entry in _spread(row, members, below)
            if self._fits(entry, wanted)
            for role_id, prior_role_id in chains.of(entry.role_id)
        ]

    def _members(self, db: Db, group_id: str) -> list[str]:
        found = [row["user_id"] for row in db.all(MEMBERSHIPS, group_id=group_id)]
        return [user_id for user_id in found if self.user_id in (None, user_id)]

    def _fits(self, entry: Entry, wanted: set[str] | None) -> bool:
        if self.inherited is not None and entry.given["inherited"] != self.inherited:
            return False
        if wanted is not None:
            return entry.target_kind == "project" and entry.target_id in wanted
        if self.domain_id:
            return entry.target_kind == "domain" and entry.target_id == self.domain_id
        return self.system == (entry.target_kind == "system")


def _spread(row: Row, members: Callable, below: Callable) -> Iterator[Entry]:
    """The assignment for each member of its group and each project below its target."""
    group_id = row["actor_id"] if row["actor_kind"] == "group" else None
    actors = [row["actor_id"]] if group_id is None else members(group_id)
    if not row["inherited"]:
        for actor_id in actors:
            yield Entry(row, "user", actor_id, row["target_kind"], row["target_id"], row["role_id"], group_id)
        return
    for project_id in below(row["target_id"]):
        for actor_id in actors:
            yield Entry(row, "user", actor_id, "project", project_id, row["role_id"], group_id)


class _Chains:
    """What each role comes to: itself and all that it implies, each with the role that implies it; of these
    only the one that is asked for, and none that is a domain's own."""

    def __init__(self, db: Db, asked: str | None) -> None:
        self.implied = grants.implications(db)
        self.own = {row["id"] for row in db.all(ROLES) if row["domain_id"]}
        self.asked = asked
        self.known: dict[str, list[tuple[str, str | None]]] = {}

    def of(self, role_id: str) -> list[tuple[str, str | None]]:
        found = self.known.get(role_id)
        if found is None:
            found = self.known[role_id] = [
                pair
                for pair in self._all(role_id)
                if pair[0] not in self.own and self.asked in (None, pair[0])
            ]
        return found

    def _all(self, role_id: str) -> list[tuple[str, str | None]]:
        out: list[tuple[str, str | None]] = [(role_id, None)]
        seen = {role_id}
        for prior, _ in out:
            for follower in self.implied.get(prior, ()):
                if follower not in seen:
                    seen.add(follower)
                    out.append((follower, prior))
        return out


def _as_given(row: Row) -> Entry:
    return Entry(
        row, row["actor_kind"], row["actor_id"], row["target_kind"], row["target_id"], row["role_id"]
    )


def _in_domain(db: Db, entries: list[Entry], domain_id: str) -> list[Entry]:
    """What somebody with a token for a domain may see: assignments on it and on its projects."""
    inside = {domain_id, *(row["id"] for row in db.all(PROJECTS, domain_id=domain_id))}
    return [entry for entry in entries if entry.target_id in inside]


class _Names:
    """Names of all that the entries mention, with their domains."""

    def __init__(self, db: Db, entries: list[Entry]) -> None:
        self.of: dict[str, dict[str, Row]] = {}
        for kind, table in (("user", USERS), ("group", GROUPS)):
            self.of[kind] = self._rows(db, table, {e.actor_id for e in entries if e.actor_kind == kind})
        self.of["project"] = self._rows(db, PROJECTS, {e.target_id for e in entries})
        self.of["role"] = self._rows(db, ROLES, {e.role_id for e in entries})
        homes = {row["domain_id"] for rows in self.of.values() for row in rows.values()} - {""}
        self.of["domain"] = self._rows(db, PROJECTS, homes) | self.of["project"]

    @staticmethod
    def _rows(db: Db, table, ids: set[str]) -> dict[str, Row]:
        return {row["id"]: row for row in db.all(table, id=list(ids))} if ids else {}

    def add(self, shown: dict, kind: str) -> dict:
        row = self.of[kind].get(shown["id"])
        if row is None:
            return shown | {"name": ""}
        shown = shown | {"name": row["name"]}
        if row["domain_id"] and kind != "domain":
            shown["domain"] = {"id": row["domain_id"], "name": self.of["domain"][row["domain_id"]]["name"]}
        return shown


def _shown(request: Request, entry: Entry, names: _Names | None) -> dict:
    links = {"assignment": request.base + "/v3" + _path(entry.given, entry.prior_role_id)}
    if entry.group_id is not None:
        links = {"membership": f"{request.base}/v3/groups/{entry.group_id}/users/{entry.actor_id}"} | links
    if entry.prior_role_id is not None:
        links["prior_role"] = f"{request.base}/v3/prior_role/{entry.role_id}/implies/{entry.prior_role_id}"
    scope: dict = {"all": True} if entry.target_kind == "system" else {"id": entry.target_id}
    actor, role = {"id": entry.actor_id}, {"id": entry.role_id}
    if names is not None:
        if entry.target_kind != "system":
            scope = names.add(scope, entry.target_kind)
        actor, role = names.add(actor, entry.actor_kind), names.add(role, "role")
    shown_scope: dict[str, Any] = {entry.target_kind: scope}
    if entry.given["inherited"]:
        shown_scope["OS-INHERIT:inherited_to"] = "projects"
    return {"links": links, "scope": shown_scope, entry.actor_kind: actor, "role": role}


def _path(row: Row, prior_role_id: str | None) -> str:
    """Where the assignment stands; of an implied role, as clients have always been told it, under the role
    that implies it."""
    where = "/system" if row["target_kind"] == "system" else f"/{row['target_kind']}s/{row['target_id']}"
    path = f"{where}/{row['actor_kind']}s/{row['actor_id']}/roles/{prior_role_id or row['role_id']}"
    return f"/OS-INHERIT{path}/inherited_to_projects" if row["inherited"] else path


ROUTES = (
    Route(
        "GET",
        "/role_assignments",
        index,
        "identity:list_role_assignments",
        target=target,
        query="role_assignments.index",
    ),
)
