"""Projects: what owns resources. They stand in a domain, and may stand in one another, five deep.

A project that acts as a domain is a domain (see domains) and can be made and shown here, too. Disabling a
project ends every token for it at once; deleting one takes its role assignments along and tells the services
above.

Source: identity API reference, "Projects", "Project tags"; what a current identity service answers.
"""

from __future__ import annotations

from collections.abc import Collection

from monostack.identity import limits, removal
from monostack.identity.attributes import (
    asked_for,
    bad,
    fixed,
    invented,
    missing,
    mutable,
    show,
    show_all,
    taken,
    truth,
    url_safe,
    with_options,
)
from monostack.identity.domains import domains
from monostack.identity.roles import grants
from monostack.identity.tables import (
    PROJECTS,
)
from monostack.identity.tokens import tokens
from monostack.identity.wire import boolean_filter, page, self_link
from monostack.kit import ids
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

KNOWN = frozenset(
    ("name", "domain_id", "parent_id", "is_domain", "description", "enabled", "tags", "options")
)
SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("domain_id", lambda row: row["domain_id"] or None),
    Field("description"),
    Field("enabled", filter=True, convert=boolean_filter),
    Field("parent_id", filter=True),
    Field("is_domain", filter=True, convert=boolean_filter),
    Field("tags"),
    Field("options"),
    Field("links", self_link("projects")),
)
LISTED = (*SHOWN, Field("domain_id", "domain_id", filter=True))
"""As SHOWN, for its filters: the shown domain_id is null where the kept one is empty."""


def target(request: Request, db: Db) -> dict:
    """What the rules on a project look at; nothing when there is no such project."""
    row = db.one(PROJECTS, id=request.path["project_id"], lock=False)
    return target_of(row)


def target_of(row: Row | None) -> dict:
    if row is None:
        return {}
    return {
        "target.project.id": row["id"],
        "target.project.domain_id": row["domain_id"] or None,
        "project_id": row["id"],
    }


def target_of_new(request: Request, db: Db) -> dict:
    asked = asked_for(request, "project")
    return {
        "target.project.domain_id": None if truth(asked.get("is_domain"), False) else _domain_of(request, db)
    }


def own(request: Request, db: Db) -> dict:
    return {"target.domain_id": request.caller.domain_id}


def index(request: Request, db: Db) -> dict:
    where: Values = {"domain_id": request.caller.domain_id} if request.caller.domain_id else {}
    if "is_domain" not in request.query:
        where["is_domain"] = False
    found = page(db, PROJECTS, request, _tagged(request), **where)
    return request.list("projects", show_all(request, SHOWN, found), found)


def _tagged(request: Request):
    """A condition on a row's tags, None when the query says nothing about tags."""
    tests = []
    for parameter, test in TAG_TESTS.items():
        for text in request.query_all(parameter):
            tests.append((test, frozenset(text.split(","))))
    if not tests:
        return None
    return lambda row: all(test(frozenset(row["tags"] or ()), asked) for test, asked in tests)


TAG_TESTS = {
    "tags": lambda tags, asked: asked <= tags,
    "tags-any": lambda tags, asked: bool(asked & tags),
    "not-tags": lambda tags, asked: not asked <= tags,
    "not-tags-any": lambda tags, asked: not asked & tags,
}


RELATIVES = ("parents_as_ids", "parents_as_list", "subtree_as_ids", "subtree_as_list")


def show_one(request: Request, db: Db) -> dict:
    row = find(db, request.path["project_id"])
    shown = show(request, SHOWN, row)
    query = request.query
    asked = {name for name in RELATIVES if name in query and query[name] != "0"}
    for relatives in ("parents", "subtree"):
        if {f"{relatives}_as_ids", f"{relatives}_as_list"} <= asked:
            raise bad(f"Use either {relatives}_as_list or {relatives}_as_ids, not both.")
    if "parents_as_ids" in asked:
        shown["parents"] = _nested(grants.above(db, row))
    elif "parents_as_list" in asked:
        above = [db.the(PROJECTS, id=id) for id in grants.above(db, row)]
        shown["parents"] = _visible(request, db, [parent for parent in above if not parent["is_domain"]])
    if "subtree_as_ids" in asked:
        shown["subtree"] = _tree(db, row["id"])
    elif "subtree_as_list" in asked:
        shown["subtree"] = _visible(request, db, below(db, row["id"]))
    return {"project": shown}


def _visible(request: Request, db: Db, rows: list[Row]) -> list[dict]:
    """Of the relatives, those on which the caller has a role."""
    mine = {row["id"] for row in of_user(db, request.caller.user_id)}
    return [{"project": show(request, SHOWN, row)} for row in rows if row["id"] in mine]


def _nested(ids_above: list[str]) -> dict | None:
    out: dict | None = None
    for id in reversed(ids_above):  # noqa: A001 - the field's word
        out = {id: out}
    return out


def _tree(db: Db, id: str) -> dict | None:  # noqa: A002
    return {row["id"]: _tree(db, row["id"]) for row in db.all(PROJECTS, order="id", parent_id=id)} or None


def below(db: Db, id: str) -> list[Row]:  # noqa: A002
    """All projects under a project or a domain, parents before children."""
    out: list[Row] = []
    level = [id]
    while level:
        found = db.all(PROJECTS, order="id", parent_id=level)
        out += found
        level = [row["id"] for row in found]
    return out


def of_user(db: Db, user_id: str, group_ids: Collection[str] = ()) -> list[Row]:
    """The projects on which the user has a role, or a group that his token names; also those that are
    disabled."""
    direct, from_above = set(), set()
    for row in grants.of_user(db, user_id, group_ids):
        if row["inherited"]:
            from_above.add(row["target_id"])
        elif row["target_kind"] == "project":
            direct.add(row["target_id"])
    for id in from_above:  # noqa: A001
        direct.update(row["id"] for row in below(db, id))
    return db.all(PROJECTS, order="id", id=list(direct), is_domain=False) if direct else []


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "project")
    if truth(asked.get("is_domain"), False):
        if asked.get("domain_id") or asked.get("parent_id"):
            raise bad("only root projects are allowed to act as domains.")
        return {"project": show(request, SHOWN, domains.insert(tx, asked, ids.new_hex(), KNOWN))}
    url_safe(tx.cloud.settings.identity.project_name_url_safe, asked["name"])
    domain_id = _domain_of(request, tx)
    parent_id = asked.get("parent_id") or domain_id
    _check_parent(tx, domain_id, parent_id)
    _must_be_free(tx, asked["name"], domain_id)
    return {"project": show(request, SHOWN, insert(tx, asked, domain_id, parent_id))}


def insert(tx: Tx, asked: dict, domain_id: str, parent_id: str) -> Row:
    """A new project below a parent that is there; raises Error 409."""
    return tx.insert(
        PROJECTS,
        taken=_taken(asked["name"], "another"),
        name=asked["name"],
        domain_id=domain_id,
        parent_id=parent_id,
        is_domain=False,
        description=asked.get("description", ""),
        enabled=truth(asked.get("enabled")),
        tags=asked.get("tags") or [],
        options=with_options({}, asked.get("options")),
        extra=invented(asked, KNOWN),
    )


def _domain_of(request: Request, db: Db) -> str:
    """The domain of a new project: named, or the token's. Its parent must be in it, too."""
    return asked_for(request, "project").get("domain_id") or domains.of_token(request)


def _check_parent(tx: Tx, domain_id: str, parent_id: str) -> None:
    domain = tx.one(PROJECTS, id=domain_id, is_domain=True)
    if domain is None:
        raise bad(f"Could not find domain: {domain_id}.")
    parent = tx.one(PROJECTS, id=parent_id)
    if parent is None:
        raise bad(f"Could not find project: {parent_id}.")
    if parent["is_domain"] and parent["id"] != domain_id:
        raise bad(
            f"Cannot create project, the parent ({parent_id}) is acting as a domain, but this project's "
            f"domain id ({domain_id}) does not match the parent's id."
        )
    if (parent["domain_id"] or parent["id"]) != domain_id:
        raise bad(
            f"Cannot create project, since it specifies its domain_id {domain_id}, but specifies a parent in "
            f"a different domain ({parent['domain_id'] or parent['id']})."
        )
    above = [parent, *(tx.the(PROJECTS, id=id) for id in grants.above(tx, parent))]
    for row in above:
        if not row["enabled"]:
            raise bad(f"cannot create a project in a branch containing a disabled project: {row['id']}")
    if len(above) > _depth(tx):
        raise Error(403, "Forbidden", f"Max hierarchy depth reached for {parent_id} branch.")


def _depth(db: Db) -> int:
    """How many may stand above a project, the domain counted."""
    most = db.cloud.settings.identity.max_project_tree_depth
    return min(most, limits.LEVELS) if limits.model_of(db) == limits.TWO_LEVELS else most


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "project")
    row = find(tx, request.path["project_id"])
    fixed(asked, row)
    if asked.get("domain_id", row["domain_id"] or None) != (row["domain_id"] or None):
        raise bad("Cannot change Domain ID")
    if asked.get("parent_id", row["parent_id"]) != row["parent_id"]:
        raise Error(403, "Forbidden", "Update of `parent_id` is not allowed.")
    if truth(asked.get("is_domain"), row["is_domain"]) != row["is_domain"]:
        raise bad("Update of `is_domain` is not allowed.")
    if row["is_domain"]:
        domains.change(tx, row, asked, KNOWN)
    else:
        _change(tx, row, asked)
    return {"project": show(request, SHOWN, row) | {"extra": row["extra"]}}


def _change(tx: Tx, row: Row, asked: dict) -> None:
    mutable("project", row, asked)
    values = {name: asked[name] for name in ("name", "description", "tags") if name in asked}
    if "options" in asked:
        values["options"] = with_options(row["options"], asked["options"])
    if "enabled" in asked:
        values["enabled"] = truth(asked["enabled"])
        _check_enabling(tx, row, values["enabled"])
    values["extra"] = row["extra"] | invented(asked, KNOWN)
    was_enabled = row["enabled"]
    if asked.get("name", row["name"]) != row["name"]:
        url_safe(tx.cloud.settings.identity.project_name_url_safe, asked["name"])
        _must_be_free(tx, asked["name"], row["domain_id"])
    tx.set(row, taken=_taken(asked.get("name"), "another"), **values)
    if was_enabled and not row["enabled"]:
        tokens.end_all(tx, row)
    tx.ends_tokens()


def _check_enabling(tx: Tx, row: Row, enabled: bool) -> None:
    if enabled and not row["enabled"]:
        for id in grants.above(tx, row):  # noqa: A001
            if not tx.the(PROJECTS, id=id)["enabled"]:
                raise Error(
                    403, "Forbidden", f"Cannot enable project {row['id']} since it has disabled parents."
                )
    if row["enabled"] and not enabled and any(child["enabled"] for child in below(tx, row["id"])):
        raise Error(
            403,
            "Forbidden",
            f"Cannot disable project {row['id']} since its subtree contains enabled projects.",
        )


def delete(request: Request, tx: Tx) -> None:
    row = find(tx, request.path["project_id"])
    if row["is_domain"]:
        domains.remove(tx, row)
        return
    mutable("project", row)
    if tx.count(PROJECTS, parent_id=row["id"]):
        raise Error(
            403,
            "Forbidden",
            f"Cannot delete the project {row['id']} since it is not a leaf in the hierarchy. "
            "Use the cascade option if you want to delete a whole subtree.",
        )
    removal.project(tx, row)


def find(db: Db, id: str) -> Row:  # noqa: A002
    return db.one(PROJECTS, id=id, missing=missing("project", id))


def _must_be_free(tx: Tx, name: str, domain_id: str) -> None:
    other = tx.one(PROJECTS, name=name, domain_id=domain_id, lock=False)
    if other is not None:
        raise _taken(name, other["id"])


def _taken(name: str | None, other_id: str) -> Error:
    words = (
        "it is not permitted to have two projects with either the same name or same id in the same domain: "
        f"name is {name}, project id {other_id}"
    )
    return taken("project", words)


ROUTES = (
    Route(
        "GET", "/projects", index, "identity:list_projects", target=own, query="projects.index", fields=LISTED
    ),
    Route(
        "POST",
        "/projects",
        create,
        "identity:create_project",
        target=target_of_new,
        body="projects.create",
        event="identity.project.created",
    ),
    Route("GET", "/projects/{project_id}", show_one, "identity:get_project", target=target),
    Route(
        "PATCH",
        "/projects/{project_id}",
        update,
        "identity:update_project",
        target=target,
        body="projects.update",
        event="identity.project.updated",
    ),
    Route(
        "DELETE",
        "/projects/{project_id}",
        delete,
        "identity:delete_project",
        target=target,
        event="identity.project.deleted",
    ),
)
