"""Groups of users: a role given to a group is its members'.

Source: identity API reference, "Groups".
"""

from __future__ import annotations

import sqlalchemy as sa

from monostack.identity import removal
from monostack.identity.attributes import (
    asked_for,
    change,
    invented,
    missing,
    same_domain,
    show,
    show_all,
    taken,
)
from monostack.identity.domains import domains
from monostack.identity.federation import people
from monostack.identity.tables import GROUPS, MEMBERSHIPS, USERS
from monostack.identity.users import sources, users
from monostack.identity.wire import cut, page, self_link
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Taken, Tx, query
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Field, Response, Route

KNOWN = frozenset(("name", "domain_id", "description"))
SHOWN = (
    Field("id"),
    Field("name", filter=True),
    Field("domain_id", filter=True),
    Field("description"),
    Field("links", self_link("groups")),
)
OF_USER = (*SHOWN, Field("membership_expires_at", lambda row: row.get("membership_expires_at")))

_MEMBERS = query(
    sa.select(USERS)
    .join(MEMBERSHIPS, MEMBERSHIPS.c.user_id == USERS.c.id)
    .where(MEMBERSHIPS.c.group_id == sa.bindparam("group_id"))
    .order_by(USERS.c.id),
    USERS,
)
_OF_USER = query(
    sa.select(GROUPS)
    .join(MEMBERSHIPS, MEMBERSHIPS.c.group_id == GROUPS.c.id)
    .where(MEMBERSHIPS.c.user_id == sa.bindparam("user_id"))
    .order_by(GROUPS.c.id),
    GROUPS,
)


def target(request: Request, db: Db) -> dict:
    """What the rules on a group, and on a member of it, look at."""
    out = target_of(db.one(GROUPS, id=request.path["group_id"], lock=False))
    if "user_id" in request.path:
        out |= users.target(request, db)
    return out


def there(request: Request, db: Db) -> dict:
    """The group that is to be deleted. Whoever names one that is not there hears so, before he is judged."""
    return target_of(find(db, request.path["group_id"]))


def target_of(row: Row | None) -> dict:
    return {} if row is None else {"target.group.id": row["id"], "target.group.domain_id": row["domain_id"]}


def target_of_new(request: Request, db: Db) -> dict:
    return {"target.group.domain_id": domains.meant(request, db, asked_for(request, "group"))}


def own(request: Request, db: Db) -> dict:
    return {"target.group.domain_id": request.caller.domain_id}


async def index(request: Request, ctx: Context) -> dict:
    return await ctx.read(_listed, request, await sources.found(ctx, request, GROUPS))


def _listed(db: Db, request: Request, elsewhere: frozenset[str] | None) -> dict:
    where = {"domain_id": request.caller.domain_id} if request.caller.domain_id else {}
    found = page(db, GROUPS, request, sources.both(None, elsewhere), **where)
    return request.list("groups", show_all(request, SHOWN, found), found)


async def show_one(request: Request, ctx: Context) -> dict:
    return {"group": show(request, SHOWN, await _now(request, ctx))}


async def _now(request: Request, ctx: Context) -> Row:
    """The group of the path as it is where it lives; raises Error 404."""
    group_id = request.path["group_id"]
    row = await sources.renewed(ctx, await ctx.read(find, group_id))
    if row is None:
        raise missing("group", group_id)
    return row


def create(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "group")
    domain_id = domains.meant(request, tx, asked)
    domains.find(tx, domain_id)
    sources.must_take(tx, domain_id)
    words = f"Duplicate entry found with name {asked['name']} at domain ID {domain_id}"
    row = tx.insert(
        GROUPS,
        taken=taken("group", words),
        name=asked["name"],
        domain_id=domain_id,
        description=asked.get("description", ""),
        extra=invented(asked, KNOWN),
    )
    return {"group": show(request, SHOWN, row)}


def update(request: Request, tx: Tx) -> dict:
    asked = asked_for(request, "group")
    row = find(tx, request.path["group_id"])
    sources.must_be_ours(row)
    same_domain(asked, row)
    words = f"Duplicate entry found with name {asked.get('name')}"
    change(tx, row, asked, KNOWN, taken=taken("group", words))
    return {"group": show(request, SHOWN, row)}


def delete(request: Request, tx: Tx) -> None:
    row = find(tx, request.path["group_id"])
    sources.must_be_ours(row)
    removal.groups(tx, [row])


async def members(request: Request, ctx: Context) -> dict:
    await sources.renew_members(ctx, await _now(request, ctx))
    return await ctx.read(_members, request)


def _seen(request: Request, rows: list[Row]) -> list[Row]:
    """Those of a list that the token shows: one for a domain shows that domain's."""
    domain_id = request.caller.domain_id
    return [row for row in rows if row["domain_id"] == domain_id] if domain_id else rows


def _members(db: Db, request: Request) -> dict:
    found = cut(_seen(request, db.run(_MEMBERS, group_id=request.path["group_id"])), request)
    return request.list("users", show_all(request, users.SHOWN, found), found)


async def check(request: Request, ctx: Context) -> Response:
    await sources.renew_members(ctx, await _now(request, ctx))
    await ctx.read(lambda db: _membership(request, db))
    return Response(204)


def add(request: Request, tx: Tx) -> Response:
    group, user = find(tx, request.path["group_id"]), users.find(tx, request.path["user_id"])
    sources.must_be_of_one_source(group, user)
    request.subject = group["id"]
    try:
        with tx.nested():
            tx.insert(MEMBERSHIPS, group_id=group["id"], user_id=user["id"])
    except Taken:
        return Response(204)
    tx.ends_tokens()
    return Response(204)


def remove(request: Request, tx: Tx) -> None:
    sources.must_be_ours(find(tx, request.path["group_id"]))
    row = _membership(request, tx)
    request.subject = row["group_id"]
    tx.delete(row)
    tx.ends_tokens()


def _membership(request: Request, db: Db) -> Row:
    group, user = find(db, request.path["group_id"]), users.find(db, request.path["user_id"])
    words = f"User '{user['id']}' not found in group '{group['id']}'"
    return db.one(
        MEMBERSHIPS, group_id=group["id"], user_id=user["id"], missing=Error(404, "NotFound", words)
    )


async def of_user(request: Request, ctx: Context) -> dict:
    """The groups that a user is in."""
    await sources.renew_groups_of(ctx, await ctx.read(users.find, request.path["user_id"]))
    return await ctx.read(_of_user, request)


def _of_user(db: Db, request: Request) -> dict:
    user_id = request.path["user_id"]
    ours = db.run(_OF_USER, user_id=user_id)
    known = {row["id"] for row in ours}
    said = {row["id"]: row for row in people.expiring_groups(db, user_id) if row["id"] not in known}
    rows = _seen(request, [*ours, *said.values()])
    found = cut(sorted(rows, key=lambda row: row["id"]), request)
    return request.list("groups", show_all(request, OF_USER, found), found)


def find(db: Db, id: str) -> Row:  # noqa: A002 - the field's word
    return db.one(GROUPS, id=id, missing=missing("group", id))


ROUTES = (
    Route("GET", "/groups", index, "identity:list_groups", target=own, query="groups.index", fields=SHOWN),
    Route(
        "POST",
        "/groups",
        create,
        "identity:create_group",
        target=target_of_new,
        body="groups.create",
        event="identity.group.created",
    ),
    Route("GET", "/groups/{group_id}", show_one, "identity:get_group", target=target),
    Route(
        "PATCH",
        "/groups/{group_id}",
        update,
        "identity:update_group",
        target=target,
        body="groups.update",
        event="identity.group.updated",
    ),
    Route(
        "DELETE",
        "/groups/{group_id}",
        delete,
        "identity:delete_group",
        target=there,
        event="identity.group.deleted",
    ),
    Route(
        "GET",
        "/groups/{group_id}/users",
        members,
        "identity:list_users_in_group",
        target=target,
        fields=users.SHOWN,
    ),
    Route("GET", "/groups/{group_id}/users/{user_id}", check, "identity:check_user_in_group", target=target),
    Route(
        "PUT",
        "/groups/{group_id}/users/{user_id}",
        add,
        "identity:add_user_to_group",
        target=target,
        event="identity.group.updated",
    ),
    Route(
        "DELETE",
        "/groups/{group_id}/users/{user_id}",
        remove,
        "identity:remove_user_from_group",
        target=target,
        event="identity.group.updated",
    ),
    Route(
        "GET",
        "/users/{user_id}/groups",
        of_user,
        "identity:list_groups_for_user",
        target=users.target,
        fields=SHOWN,
    ),
)
