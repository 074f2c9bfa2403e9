"""Where the users and groups of a domain live: in our own rows, or in a directory that is only read.

This is the one place that asks. A domain's driver is a Source; "sql" is no source at all, as our rows are
there already, and "ldap" brings rows to what the directory says before they are read. So whoever answers a
request asks the source first and then reads rows, and what decides about tokens and assignments never knows
of directories. A user who lives in a directory has `seen_at`, and an id of 64 digits instead of 32.

In a domain with a directory our own users of before are there still: nobody locks himself out by naming a
directory that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from monostack.identity.domains import configuration
from monostack.identity.tables import USERS
from monostack.kit.context import Context
from monostack.kit.db import Row, Tx, Values, ge, le
from monostack.kit.errors import Error
from monostack.kit.loops import Done
from monostack.kit.request import Request
from monostack.kit.resource import Loop

FOREIGN_ID = 64
BATCH = 100


class Source(Protocol):
    """What a driver can do."""

    async def find_users(self, named: list[tuple[str, str]]) -> frozenset[str]: ...
    async def find_groups(self, named: list[tuple[str, str]]) -> frozenset[str]: ...
    async def renewed(self, row: Row) -> Row | None: ...
    async def renew_members(self, group: Row) -> None: ...
    async def renew_groups_of(self, user: Row) -> None: ...
    async def log_in(self, name: str | None, row: Row | None, password: str) -> Row | None: ...


async def of_domain(ctx: Context, domain_id: str) -> Source | None:
    """The source of a domain's users; None where our rows are all there is."""
    if await ctx.read(configuration.driver, domain_id) != "ldap":
        return None
    return await ctx.cloud.identity.directories.source(domain_id)


# reading


async def found(ctx: Context, request: Request, table) -> frozenset[str] | None:
    """The ids that a list may show besides those of our own; None where our rows are all there is."""
    domain_id = request.caller.domain_id or request.query.get("domain_id")
    source = await of_domain(ctx, domain_id) if domain_id else None
    if source is None:
        return None
    named = []
    for name, value in request.pairs:
        word, _, operator = name.partition("__")
        if word == "name":
            named.append((operator, value))
    known = [pair for pair in named if pair[0] in OPERATORS]
    return await (source.find_users(known) if table is USERS else source.find_groups(known))


def both(
    keep: Callable[[Row], bool] | None, elsewhere: frozenset[str] | None
) -> Callable[[Row], bool] | None:
    """A condition on a row of a list, and that it was found where it lives; None when there is neither."""
    if elsewhere is None:
        return keep
    return lambda row: (row["seen_at"] is None or row["id"] in elsewhere) and (keep is None or keep(row))


OPERATORS = ("", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith")


async def renewed(ctx: Context, row: Row | None) -> Row | None:
    """The row as its source has it now; None when it is gone."""
    if row is None or row["seen_at"] is None:
        return row
    source = await of_domain(ctx, row["domain_id"])
    return row if source is None else await source.renewed(row)


async def renew_members(ctx: Context, group: Row | None) -> None:
    if group is not None and group["seen_at"] is not None:
        source = await of_domain(ctx, group["domain_id"])
        if source is not None:
            await source.renew_members(group)


async def renew_groups_of(ctx: Context, user: Row | None) -> None:
    if user is not None and user["seen_at"] is not None:
        source = await of_domain(ctx, user["domain_id"])
        if source is not None:
            await source.renew_groups_of(user)


# writing


def must_take(tx: Tx, domain_id: str) -> None:
    """Raise Error 403 where new users and groups cannot be made, because a directory is only read."""
    if configuration.driver(tx, domain_id) == "ldap":
        raise read_only()


def must_be_ours(row: Row) -> None:
    """Raise Error 403 for what lives in a directory."""
    if row["seen_at"] is not None:
        raise read_only()


def must_be_of_one_source(group: Row, user: Row) -> None:
    """Raise Error 403 for a member of another source than the group's."""
    must_be_ours(group)
    if user["seen_at"] is not None:
        words = "Group membership across backend boundaries is not allowed. Group in question is "
        raise Error(403, "Forbidden", f"{words}{group['id']}, user is {user['id']}.")


def read_only() -> Error:
    return Error(403, "Forbidden", "LDAP does not support write operations")


# logging in


async def logged_in(
    ctx: Context, row: Row | None, asked: dict[str, Any], domain_id: str | None
) -> Row | None:
    """The user, if he lives in a directory and it lets him in; None where none is to be asked, or refuses."""
    if row is not None and row["seen_at"] is None:
        return None
    domain_id = row["domain_id"] if row is not None else domain_id
    source = await of_domain(ctx, domain_id) if domain_id else None
    if source is None:
        return None
    return await source.log_in(asked.get("name"), row, asked.get("password") or "")


async def watch(ctx: Context, user_id: str) -> None:
    """Somebody gets a token: if he lives in a directory, what we know of him must not be old, and he is
    looked at again as long as the token may live."""
    if len(user_id) != FOREIGN_ID:
        return
    row = await renewed(ctx, await ctx.read(lambda db: db.one(USERS, id=user_id)))
    if row is not None and row["seen_at"] is not None:
        await ctx.write(_watched, row["id"])


def _watched(tx: Tx, user_id: str) -> None:
    row = tx.one(USERS, id=user_id)
    if row is not None:
        tx.set(row, watched_until=tx.cloud.clock.after(tx.cloud.settings.identity.token_seconds))


def look_again(row: None, tx: Tx) -> Done:
    """Have those read again who may have a token and were not seen for a while."""
    age = tx.cloud.settings.identity.directory_cache_seconds
    old: Values = {"seen_at": le(tx.cloud.clock.after(-age)), "watched_until": ge(tx.now)}
    rows = tx.all(USERS, order="seen_at", limit=BATCH, **old)
    if rows:
        tx.after(tx.cloud.identity.directories.look_again, rows)
    return Done()


def configured(tx: Tx, domain_id: str) -> None:
    """The domain's options were changed: what was seen by the old ones is gone, or must be seen again."""
    from monostack.identity.ldap import mirror

    if configuration.driver(tx, domain_id) == "ldap":
        mirror.distrust(tx, domain_id)
    else:
        mirror.forget_domain(tx, domain_id)


WATCHING = Loop("identity.directories", look_again, every=60.0)
