"""Domains: the containers of users, groups and projects.

A domain is stored as a project that is one (see tables). An enabled domain cannot be deleted; a disabled one
goes with everything in it. Disabling one ends every token in it at once.

Source: identity API reference, "Domains".
"""

from __future__ import annotations

from monostack.identity import removal
from monostack.identity.attributes import (
    asked_for,
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
from monostack.identity.tables import (
    GROUPS,
    PROJECTS,
    ROLES,
    USERS,
)
from monostack.identity.tokens import tokens
from monostack.identity.wire import boolean_filter, page, self_link
from monostack.kit import ids
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Route

KNOWN = frozenset(
    (
        "name",
        "description",
        "enabled",
        "tags",
        "options",
        "explicit_domain_id",
        "domain_id",
        "parent_id",
        "is_domain",
    )
)
"""What a client cannot make his own. A domain stands in nothing; what he says of that is passed over."""
SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("description"),
    Field("enabled", filter=True, convert=boolean_filter),
    Field("tags"),
    Field("options"),
    Field("links", self_link("domains")),
)


def target(request: Request, db: Db) -> dict:
    return {"target.domain.id": request.path["domain_id"]}


def there(request: Request, db: Db) -> dict:
    """The domain that is to be changed. Whoever names one that is not there hears so, before he is judged."""
    return {"target.domain.id": find(db, request.path["domain_id"])["id"]}


def own(request: Request, db: Db) -> dict:
    """What a list is judged on: the domain of a token for a domain."""
    return {"target.domain.id": request.caller.domain_id}


def index(request: Request, db: Db) -> dict:
    where: Values = {"id": request.caller.domain_id} if request.caller.domain_id else {}
    found = page(db, PROJECTS, request, is_domain=True, **where)
    return request.list("domains", show_all(request, SHOWN, found), found)


def show_one(request: Request, db: Db) -> dict:
    return {"domain": show(request, SHOWN, find(db, request.path["domain_id"]))}


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "domain")
    row = insert(tx, asked, asked.get("explicit_domain_id") or ids.new_hex(), KNOWN)
    return {"domain": show(request, SHOWN, row)}


def named(db: Db, name: str) -> Row | None:
    """The domain of that name in capitals or not: people write `default` and mean `Default`."""
    exact = db.one(PROJECTS, name=name, is_domain=True)
    if exact is not None:
        return exact
    alike = (row for row in db.all(PROJECTS, is_domain=True) if row["name"].lower() == name.lower())
    return next(alike, None)


def _name_is_taken(name: str) -> Error:
    words = f"it is not permitted to have two projects acting as domains with the same name: {name}"
    return taken("project", words)


def insert(tx: Tx, asked: dict, id: str, known: frozenset[str]) -> Row:  # noqa: A002 - the field's word
    """A new domain; raises Error 409."""
    name = asked["name"]
    url_safe(tx.cloud.settings.identity.domain_name_url_safe, name)
    if tx.one(PROJECTS, id=id) is not None:
        raise taken("project", f"it is not permitted to have two projects with the same id: {id}")
    if named(tx, name) is not None:
        raise _name_is_taken(name)
    return tx.insert(
        PROJECTS,
        taken=_name_is_taken(name),
        id=id,
        name=name,
        domain_id="",
        is_domain=True,
        description=asked.get("description", ""),
        enabled=truth(asked.get("enabled")),
        tags=asked.get("tags") or [],
        options=with_options({}, asked.get("options")),
        extra=invented(asked, known),
    )


def update(request: Request, tx: Tx) -> dict:
    row = find(tx, request.path["domain_id"])
    asked = {name: value for name, value in asked_for(request, "domain").items() if name != "id"}
    change(tx, row, asked, KNOWN)
    return {"domain": show(request, SHOWN, row)}


def change(tx: Tx, row: Row, asked: dict, known: frozenset[str]) -> None:
    """Change a domain as asked."""
    fixed(asked, row)
    mutable("domain", row, asked)
    values = {name: asked[name] for name in ("name", "description", "tags") if name in asked}
    if "enabled" in asked:
        values["enabled"] = truth(asked["enabled"])
    if "options" in asked:
        values["options"] = with_options(row["options"], asked["options"])
    values["extra"] = row["extra"] | invented(asked, known)
    if "name" in asked:
        url_safe(tx.cloud.settings.identity.domain_name_url_safe, asked["name"])
    alike = named(tx, asked["name"]) if "name" in asked else None
    if alike is not None and alike["id"] != row["id"]:
        raise _name_is_taken(asked["name"])
    was_enabled = row["enabled"]
    tx.set(row, taken=_name_is_taken(asked.get("name", row["name"])), **values)
    if was_enabled and not row["enabled"]:
        tokens.end_all(tx, row)
    tx.ends_tokens()


def delete(request: Request, tx: Tx) -> None:
    remove(tx, find(tx, request.path["domain_id"]))


def remove(tx: Tx, row: Row) -> None:
    """Delete a domain and everything in it; raises Error 403 while it is enabled."""
    mutable("domain", row)
    if row["enabled"]:
        raise Error(403, "Forbidden", "Cannot delete a domain that is enabled, please disable it first.")
    tx.hook("identity.domain.delete", row)
    for each in tx.all(PROJECTS, domain_id=row["id"]):
        removal.project(tx, each)
    removal.users(tx, tx.all(USERS, domain_id=row["id"]))
    removal.groups(tx, tx.all(GROUPS, domain_id=row["id"]))
    removal.roles(tx, tx.all(ROLES, domain_id=row["id"]))
    removal.domain(tx, row)


def find(db: Db, id: str) -> Row:  # noqa: A002
    return db.one(PROJECTS, id=id, is_domain=True, missing=missing("domain", id))


def of_token(request: Request) -> str:
    """The domain in which a caller makes things when he names none."""
    caller = request.caller
    return caller.domain_id or caller.project_domain_id or "default"


def meant(request: Request, db: Db, asked: dict) -> str:
    """The domain that a body names, or else the token's."""
    return asked.get("domain_id") or of_token(request)


ROUTES = (
    Route("GET", "/domains", index, "identity:list_domains", target=own, query="domains.index", fields=SHOWN),
    Route(
        "POST",
        "/domains",
        create,
        "identity:create_domain",
        body="domains.create",
        event="identity.domain.created",
    ),
    Route("GET", "/domains/{domain_id}", show_one, "identity:get_domain", target=target),
    Route(
        "PATCH",
        "/domains/{domain_id}",
        update,
        "identity:update_domain",
        target=there,
        body="domains.update",
        event="identity.domain.updated",
    ),
    Route(
        "DELETE",
        "/domains/{domain_id}",
        delete,
        "identity:delete_domain",
        target=there,
        event="identity.domain.deleted",
    ),
)
