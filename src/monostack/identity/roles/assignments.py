"""Role assignments one by one: who has which role on which project, on which domain, on the system.

The same four doors stand for users and for groups, on each kind of target, and again for assignments that the
projects below inherit; so a door is an object that knows these three things, and the routes are made of them.

Source: identity API reference, "Roles", "OS-INHERIT", "System role assignments".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monostack.identity.attributes import missing, show_all
from monostack.identity.domains import domains
from monostack.identity.projects import projects
from monostack.identity.roles import grants, roles
from monostack.identity.tables import ASSIGNMENTS, GROUPS, PROJECTS, ROLES, USERS
from monostack.identity.users import groups, users
from monostack.identity.wire import cut
from monostack.kit.db import Db, Row, Taken, Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Response, Route


@dataclass(frozen=True)
class Door:
    """Assignments of one kind: to a `user` or a `group`, on a `project`, a `domain` or the `system`."""

    actor: str
    target: str
    inherited: bool = False

    def judged(self, request: Request, db: Db) -> dict:
        """What the rules on assignments look at. What does not exist is told before them, except that an
        assignment of somebody or to something gone may still be taken away."""
        path, taking = request.path, request.method == "DELETE"
        out: dict[str, Any] = {}
        table, of, name = (USERS, users, "user") if self.actor == "user" else (GROUPS, groups, "group")
        actor = db.one(table, id=path[f"{name}_id"], lock=False)
        if actor is not None:
            out |= of.target_of(actor)
        elif not taking:
            raise missing(name, path[f"{name}_id"])
        if self.target == "project":
            project = db.one(PROJECTS, id=path["project_id"], lock=False)
            if project is None and not taking:
                raise missing("project", path["project_id"])
            out |= projects.target_of(project)
        elif self.target == "domain":
            out["target.domain.id"] = domains.find(db, path["domain_id"])["id"]
        if "role_id" in path:
            out |= roles.target_of(roles.find(db, path["role_id"], lock=False))
        return out

    def index(self, request: Request, db: Db) -> dict:
        where = self._where(request, db)
        held = [row["role_id"] for row in db.all(ASSIGNMENTS, **where)]
        found = cut(db.all(ROLES, order="id", id=held) if held else [], request)
        return request.list("roles", show_all(request, roles.SHOWN, found), found)

    def check(self, request: Request, db: Db) -> Response:
        self._existing(request, db)
        return Response(204)

    def give(self, request: Request, tx: Tx) -> Response:
        where = self._where(request, tx)
        role = roles.find(tx, request.path["role_id"])
        if self.target == "project":
            self._check_domain(tx, role, where["target_id"])
        request.subject = where["actor_id"]
        request.event_details = {
            "role_id": role["id"],
            "target_id": where["target_id"],
            "inherited": self.inherited,
        }
        try:
            with tx.nested():
                tx.insert(ASSIGNMENTS, role_id=role["id"], **where)
        except Taken:
            return Response(204)
        tx.ends_tokens()
        return Response(204)

    def take(self, request: Request, tx: Tx) -> None:
        row = self._assignment(tx, self._named(request), request.path["role_id"])
        request.subject = row["actor_id"]
        request.event_details = {
            "role_id": row["role_id"],
            "target_id": row["target_id"],
            "inherited": self.inherited,
        }
        tx.delete(row)
        tx.ends_tokens()

    def _named(self, request: Request) -> dict:
        """The conditions on the assignments that the path names."""
        path = request.path
        return {
            "actor_kind": self.actor,
            "actor_id": path[f"{self.actor}_id"],
            "target_kind": self.target,
            "target_id": grants.SYSTEM if self.target == "system" else path[f"{self.target}_id"],
            "inherited": self.inherited,
        }

    def _where(self, request: Request, db: Db) -> dict:
        """The same; raises Error 404 for what does not exist, and keeps it until the end of a change."""
        where = self._named(request)
        (users if self.actor == "user" else groups).find(db, where["actor_id"])
        if self.target != "system":
            (projects if self.target == "project" else domains).find(db, where["target_id"])
        return where

    def _existing(self, request: Request, db: Db) -> Row:
        return self._assignment(db, self._where(request, db), request.path["role_id"])

    def _assignment(self, db: Db, where: dict, role_id: str) -> Row:
        words = (
            f"Could not find role assignment with role: {role_id}, user or group: {where['actor_id']}, "
            f"project, domain, or system: {where['target_id']}."
        )
        return db.one(ASSIGNMENTS, role_id=role_id, missing=Error(404, "NotFound", words), **where)

    def _check_domain(self, tx: Tx, role: Row, target_id: str) -> None:
        """On projects a domain's own role can only be given in that domain. On any domain it may be given: no
        token has it, only what it implies."""
        if role["domain_id"] and projects.find(tx, target_id)["domain_id"] != role["domain_id"]:
            words = f"Project {target_id} must be in the same domain as the role {role['id']} being assigned."
            raise Error(403, "Forbidden", words)


def _routes() -> tuple[Route, ...]:
    out = []
    for actor in ("user", "group"):
        who = f"/{actor}s/{{{actor}_id}}/roles"
        for target in ("project", "domain"):
            base = f"/{target}s/{{{target}_id}}{who}"
            out += _four(Door(actor, target), base, base + "/{role_id}", "{}_grant")
            listing = f"/OS-INHERIT{base}/inherited_to_projects" if target == "domain" else None
            out += _four(
                Door(actor, target, inherited=True),
                listing,
                f"/OS-INHERIT{base}/{{role_id}}/inherited_to_projects",
                "{}_grant",
            )
        out += _four(
            Door(actor, "system"),
            f"/system{who}",
            f"/system{who}/{{role_id}}",
            "{}_system_grant_for_" + actor,
        )
    return tuple(out)


def _four(door: Door, listing: str | None, one: str, rule: str) -> list[Route]:
    """List, check, give, take: the rules are named after the verb."""
    rule = "identity:" + rule
    listed = rule.replace("_grant", "_grants").format("list")
    index = (
        [Route("GET", listing, door.index, listed, target=door.judged, fields=roles.LISTED)]
        if listing
        else []
    )
    return [
        *index,
        Route("GET", one, door.check, rule.format("check"), target=door.judged),
        Route(
            "PUT",
            one,
            door.give,
            rule.format("create"),
            target=door.judged,
            event="identity.role_assignment.created",
        ),
        Route(
            "DELETE",
            one,
            door.take,
            rule.format("revoke"),
            target=door.judged,
            event="identity.role_assignment.deleted",
        ),
    ]


ROUTES = _routes()
