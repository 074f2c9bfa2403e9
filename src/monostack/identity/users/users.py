"""Users, and what hangs on them: passwords, the projects they may work in.

A password is hashed outside of the transaction, in the pool for such work; what it must be like is said in
password_rules. A changed password, a disabled or deleted user ends all of that user's tokens at once. Email
and description are attributes like any a client invents.

Source: identity API reference, "Users"; what a current identity service answers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from monostack.identity import removal
from monostack.identity.attributes import (
    asked_for,
    bad,
    fixed,
    invented,
    missing,
    same_domain,
    show,
    show_all,
    taken,
    truth,
    with_options,
)
from monostack.identity.authentication.verifying import hashed
from monostack.identity.domains import domains
from monostack.identity.federation import people
from monostack.identity.projects import projects
from monostack.identity.tables import USERS
from monostack.identity.tokens import tokens
from monostack.identity.users import password_rules, sources, standing
from monostack.identity.wire import MALFORMED, boolean_filter, cut, page, self_link
from monostack.kit import clock
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.request import Request
from monostack.kit.resource import Field, Response, Route

KNOWN = frozenset(
    (
        "name",
        "domain_id",
        "enabled",
        "default_project_id",
        "password",
        "original_password",
        "options",
        "password_expires_at",
        "federated",
    )
)
KNOWN_BY = ("idp_id", "protocol_id", "unique_id")
"""What a list may be asked for, of those whom identity providers know."""
EXPIRY = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


def _enabled(row: Row, request: Request) -> bool:
    return standing.enabled(request.cloud, row)


SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("domain_id", filter=True),
    Field(
        "enabled",
        lambda row, request: standing.enabled(request.cloud, row),
        filter=True,
        convert=boolean_filter,
    ),
    Field("default_project_id", omit_none=True, filter=True),
    Field("password_expires_at"),
    Field("options"),
    Field("links", self_link("users")),
)


def target(request: Request, db: Db) -> dict:
    """What the rules on a user look at."""
    user_id = request.path["user_id"]
    return {"user_id": user_id} | target_of(db.one(USERS, id=user_id, lock=False))


def target_of(row: Row | None) -> dict:
    return {} if row is None else {"target.user.id": row["id"], "target.user.domain_id": row["domain_id"]}


def target_of_new(request: Request, db: Db) -> dict:
    """The domain that the body names. A manager who names none is refused, although the user would be made in
    the domain of his token: current identity services judge what is sent."""
    return {"target.user.domain_id": asked_for(request, "user").get("domain_id")}


def own(request: Request, db: Db) -> dict:
    return {"target.domain_id": request.caller.domain_id}


async def index(request: Request, ctx: Context) -> dict:
    return await ctx.read(_listed, request, await sources.found(ctx, request, USERS))


def _listed(db: Db, request: Request, elsewhere: frozenset[str] | None) -> dict:
    """The users of our own, and of those who live elsewhere the ones that were found there just now."""
    where: Values = {"domain_id": request.caller.domain_id} if request.caller.domain_id else {}
    known_by = {name: request.query[name] for name in KNOWN_BY if name in request.query}
    if known_by:
        where["id"] = people.by(db, **known_by)
    found = page(db, USERS, request, sources.both(_expiring(request), elsewhere), **where)
    return request.list("users", show_all(request, SHOWN, found), found)


def _expiring(request: Request) -> Callable[[Row], bool] | None:
    """A condition on when the password expires, as in ?password_expires_at=lt:2030-01-01T00:00:00Z; None
    without. Where there are several, all must hold."""
    asked = [_expiry(value) for name, value in request.pairs if name == "password_expires_at"]
    if not asked:
        return None

    def keep(row: Row) -> bool:
        expires = row["password_expires_at"]
        return expires is not None and all(compare(expires, moment) for compare, moment in asked)

    return keep


def _expiry(asked: str) -> tuple[Callable[[str, str], bool], str]:
    """A comparison and the moment to compare with; without a word for it, the same moment."""
    name, colon, moment = asked.partition(":")
    if not colon or name[:1].isdigit():
        name, moment = "eq", asked
    if name not in EXPIRY:
        raise bad(f"The given operator {name} is not valid: password_expires_at takes {', '.join(EXPIRY)}.")
    try:
        return EXPIRY[name], clock.parse(moment)
    except ValueError:
        raise bad(MALFORMED.format("Timestamp not in expected format.")) from None


async def show_one(request: Request, ctx: Context) -> dict:
    user_id = request.path["user_id"]
    row = await sources.renewed(ctx, await ctx.read(find, user_id))
    if row is None:
        raise missing("user", user_id)
    return {"user": await ctx.read(_shown, request, row)}


def _shown(db: Db, request: Request, row: Row) -> dict:
    """A user, with how identity providers know him, if any does."""
    known_as = people.known_as(db, row["id"])
    return show(request, SHOWN, row) | ({"federated": known_as} if known_as else {})


async def create(request: Request, ctx: Context) -> Response:
    asked = asked_for(request, "user")
    stored = await _hash(ctx, asked)
    row = await ctx.write(_insert, request, asked, stored)
    return Response(201, {"user": await ctx.read(_shown, request, row)})


def _insert(tx: Tx, request: Request, asked: dict, stored: str | None) -> Row:
    domain_id = domains.meant(request, tx, asked)
    domains.find(tx, domain_id)
    sources.must_take(tx, domain_id)
    options = with_options({}, asked.get("options"))
    words = f"Duplicate entry found with name {asked['name']} at domain ID {domain_id}"
    row = tx.insert(
        USERS,
        taken=taken("user", words),
        name=asked["name"],
        domain_id=domain_id,
        enabled=truth(asked.get("enabled")),
        default_project_id=_default_project(tx, asked),
        options=options,
        extra=invented(asked, KNOWN),
        **(password_rules.columns(tx, stored, options, by_himself=False) if stored is not None else {}),
    )
    if asked.get("federated"):
        people.know_as(tx, row, asked["federated"])
    request.subject = row["id"]
    return row


def _default_project(tx: Tx, asked: dict) -> str | None:
    """The default project asked for. It may be unknown, as clients name it before they make it; not a
    domain."""
    project_id = asked.get("default_project_id")
    if project_id and (row := tx.one(projects.PROJECTS, id=project_id)) and row["is_domain"]:
        raise bad("User's default project ID cannot be a domain ID: " + project_id)
    return project_id


async def _hash(ctx: Context, asked: dict) -> str | None:
    if "password" not in asked:
        return None
    password_rules.check(ctx.cloud.settings.identity, asked["password"])
    return None if asked["password"] is None else await hashed(ctx, asked["password"])


async def update(request: Request, ctx: Context) -> dict:
    asked = asked_for(request, "user")
    stored = await _hash(ctx, asked)
    row = await ctx.write(_update, request, asked, stored)
    return {"user": await ctx.read(_shown, request, row) | {"extra": row["extra"]}}


def _update(tx: Tx, request: Request, asked: dict, stored: str | None) -> Row:
    row = find(tx, request.path["user_id"])
    sources.must_be_ours(row)
    fixed(asked, row)
    same_domain(asked, row)
    values = {"extra": row["extra"] | invented(asked, KNOWN)}
    if "name" in asked:
        values["name"] = asked["name"]
    if "enabled" in asked:
        values["enabled"] = truth(asked["enabled"])
        if values["enabled"]:
            values |= standing.enabling(tx)
    if "default_project_id" in asked:
        values["default_project_id"] = _default_project(tx, asked)
    if "options" in asked:
        values["options"] = with_options(row["options"], asked["options"])
    if "password" in asked:
        password_rules.remember(tx, row)
        options = values.get("options", row["options"]) or {}
        values |= password_rules.columns(tx, stored, options, by_himself=False)
    tx.set(row, taken=taken("user", f"Duplicate entry found with name {asked.get('name')}"), **values)
    if asked.get("federated"):
        people.know_as(tx, row, asked["federated"])
    if "password" in asked or asked.get("federated") or values.get("enabled") is False:
        tokens.end_all(tx, row)
    tx.ends_tokens()
    request.subject = row["id"]
    return row


def delete(request: Request, tx: Tx) -> None:
    row = find(tx, request.path["user_id"])
    sources.must_be_ours(row)
    removal.users(tx, [row])


def projects_of(request: Request, db: Db) -> dict:
    """The projects on which a user has a role."""
    row = find(db, request.path["user_id"])
    found = cut(projects.of_user(db, row["id"]), request)
    return request.list("projects", show_all(request, projects.SHOWN, found), found)


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(USERS, id=id, missing=missing("user", id))


ROUTES = (
    Route("GET", "/users", index, "identity:list_users", target=own, query="users.index", fields=SHOWN),
    Route(
        "POST",
        "/users",
        create,
        "identity:create_user",
        target=target_of_new,
        body="users.create",
        event="identity.user.created",
    ),
    Route("GET", "/users/{user_id}", show_one, "identity:get_user", target=target),
    Route(
        "PATCH",
        "/users/{user_id}",
        update,
        "identity:update_user",
        target=target,
        body="users.update",
        event="identity.user.updated",
    ),
    Route(
        "DELETE",
        "/users/{user_id}",
        delete,
        "identity:delete_user",
        target=target,
        event="identity.user.deleted",
    ),
    Route(
        "GET",
        "/users/{user_id}/projects",
        projects_of,
        "identity:list_user_projects",
        target=target,
        fields=projects.LISTED,
    ),
)
