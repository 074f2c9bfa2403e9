"""A directory as the source of a domain's users and groups: what each question of the API asks of it.

Every question first asks the directory, then brings the mirror's rows to what it said; the caller answers
from the rows. Lists are filtered by name in the directory already; whatever else is asked is judged on the
rows.

Source: identity administration guide, "LDAP"; what a current identity service asks its directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monostack.identity.ldap import entries, filters, mirror
from monostack.identity.ldap.entries import Entry, Found, Group, User
from monostack.identity.ldap.options import Kind
from monostack.identity.tables import GROUPS, USERS
from monostack.kit.clock import seconds
from monostack.kit.db import Db, Row, ge

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.identity.ldap.asking import Asking
    from monostack.identity.ldap.connection import Directory

CHUNK = 100
"""Rows that one transaction brings up to date: a longer one would hold everybody else."""
EVERY = sys.maxsize
AT_ONCE = 50
"""DNs or ids that one search names."""
COMPARED: dict[str, Callable[[str, str], str]] = {
    "": filters.equal,
    "contains": filters.contains,
    "icontains": filters.contains,
    "startswith": filters.starts,
    "istartswith": filters.starts,
    "endswith": filters.ends,
    "iendswith": filters.ends,
}


@dataclass(frozen=True)
class Mirrored:
    """What came of mirroring all of a kind: how many have a row, how many were left because their names are
    taken by our own, and whether the directory gave all that it has."""

    taken: int
    left: int
    whole: bool


class DirectorySource:
    """The driver "ldap": see users/sources."""

    def __init__(self, cloud: Cloud, asking: Asking, directory: Directory) -> None:
        self.cloud = cloud
        self.asking = asking
        self.directory = directory
        self.options = directory.options

    # lists

    async def find_users(self, named: list[tuple[str, str]]) -> frozenset[str]:
        """Ids of the users that the directory gives for conditions on the name."""
        people = await self._search_users(self._named(self.options.users, named))
        return await self._all_of(USERS, people, named, self._take_users, mirror.forget_users)

    async def find_groups(self, named: list[tuple[str, str]]) -> frozenset[str]:
        circles = await self._search_groups(self._named(self.options.groups, named))
        return await self._all_of(GROUPS, circles, named, self._take_groups, mirror.forget_groups)

    async def _all_of(
        self, table, found: Found, named: list[tuple[str, str]], take, forget
    ) -> frozenset[str]:
        ids = frozenset(row["id"] for row in await take(found))
        exact = [value for operator, value in named if operator == ""]
        if found.whole and (not named or (len(named) == 1 and exact)):
            await self._forget_unseen(table, ids, exact, forget)
        return ids

    async def take_all(self, kind: str, told: Callable[[int], None]) -> Mirrored:
        """Bring all users or groups (kind) into the mirror, however many there are and whatever lists are
        limited to; `told` hears how many it were so far."""
        ways: dict[str, tuple[Any, ...]] = {
            "user": (self._search_users, USERS, mirror.take_users, mirror.forget_users),
            "group": (self._search_groups, GROUPS, mirror.take_groups, mirror.forget_groups),
        }
        search, table, take, forget = ways[kind]
        found = await search("", EVERY)
        ids: set[str] = set()
        for chunk in _chunks(found):
            ids |= {row["id"] for row in await self._take(take, chunk)}
            told(len(ids))
        if found.whole:
            await self._forget_unseen(table, frozenset(ids), [], forget)
        return Mirrored(len(ids), len({each.local_id for each in found}) - len(ids), found.whole)

    async def _forget_unseen(self, table, ids: frozenset[str], exact: list[str], forget) -> None:
        gone = await self.cloud.engine.read(self._unseen, table, ids, exact)
        for chunk in _chunks(gone):
            await self.cloud.engine.write(forget, chunk)

    def _unseen(self, db: Db, table, ids: frozenset[str], exact: list[str]) -> list[str]:
        """Mirrored rows that the directory would have given, and did not."""
        where: dict[str, Any] = {"name": exact[0]} if exact else {}
        rows = db.all(table, domain_id=self.options.domain_id, seen_at=ge(""), **where)
        return [row["id"] for row in rows if row["id"] not in ids]

    # one

    async def renewed(self, row: Row) -> Row | None:
        """The row of a user or group as the directory has it now, unless it was seen just now; None when it
        is gone."""
        if self._fresh(row):
            return row
        if row.table is USERS:
            found = await self._users_with([row["directory_id"]])
            rows = await self._take_users(found)
            if rows:
                await self.renew_groups_of(rows[0])
        else:
            rows = await self._take_groups(await self._groups_with([row["directory_id"]]))
        if rows:
            return rows[0]
        forget = mirror.forget_users if row.table is USERS else mirror.forget_groups
        await self.cloud.engine.write(forget, [row["id"]])
        return None

    def _fresh(self, row: Row) -> bool:
        if not row["seen_at"]:
            return False
        age = self.cloud.clock.time() - seconds(row["seen_at"])
        return age < self.cloud.settings.identity.directory_cache_seconds

    # memberships

    async def renew_members(self, group: Row) -> None:
        """Bring the members of a group to what the directory says."""
        found = await self._groups_with([group["directory_id"]])
        members = [member for each in found for member in each.members]
        people = await self._members(members)
        rows = await self._take_users(people)
        await self.cloud.engine.write(mirror.set_members, group, rows)

    async def renew_groups_of(self, user: Row) -> None:
        """Bring the groups that a user is in to what the directory says."""
        member = user["directory_id"] if self.options.members_are_ids else user["directory_dn"]
        circles = await self._search_groups(filters.equal(self.options.member, member))
        rows = await self._take_groups(circles)
        await self.cloud.engine.write(mirror.set_groups, user, rows)

    # logging in

    async def log_in(self, name: str | None, row: Row | None, password: str) -> Row | None:
        """The user of the name, or of a row, if the directory lets him in with the password."""
        if row is not None:
            people = await self._users_with([row["directory_id"]])
        else:
            people = await self._search_users(filters.equal(self.options.users.name, name or ""))
        user = people[0] if len(people) == 1 else None
        dn = user.dn if user else self._nobody()
        accepted = await self._ask(self.directory.accepts, dn, password)
        if user is None or not accepted:
            return None
        rows = await self._take_users([user])
        if not rows:
            return None
        await self.renew_groups_of(rows[0])
        return rows[0]

    def _nobody(self) -> str:
        """A DN that nobody has: an unknown user costs the directory as much as a wrong password."""
        return f"{self.options.users.id}=nobody-of-this-name,{self.options.users.tree}"

    # asking

    async def _search_users(self, condition: str, most: int | None = None) -> Found:
        enabled = await self._enabled_dns()
        found = await self._search(self.options.users, condition, most)
        return _read(found, lambda entry: entries.user(self.options, entry, enabled))

    async def _search_groups(self, condition: str, most: int | None = None) -> Found:
        found = await self._search(self.options.groups, condition, most)
        return _read(found, lambda entry: entries.group(self.options, entry))

    async def _users_with(self, local_ids: list[str]) -> list[User]:
        return await self._search_users(
            filters.either(filters.equal(self.options.users.id, local_id) for local_id in local_ids)
        )

    async def _groups_with(self, local_ids: list[str]) -> list[Group]:
        return await self._search_groups(
            filters.either(filters.equal(self.options.groups.id, local_id) for local_id in local_ids)
        )

    async def _members(self, members: list[str]) -> list[User]:
        """The users that a group's member attribute names: by their ids, or by their DNs."""
        out: list[User] = []
        if self.options.members_are_ids:
            for chunk in _chunks(members, AT_ONCE):
                out += await self._users_with(chunk)
            return out
        enabled = await self._enabled_dns()
        attributes = entries.wanted(self.options, self.options.users)
        condition = self._condition(self.options.users, "")
        for dn in members:
            found = await self._ask(self.directory.search, dn, condition, attributes, "base", 1)
            out += [user for user in (entries.user(self.options, each, enabled) for each in found) if user]
        return out

    async def _enabled_dns(self) -> frozenset[str] | None:
        """The members of the group that says who is enabled, where a group says so."""
        rule = self.options.enabled
        if rule.group is None:
            return None
        attributes = [rule.group_attribute]
        found = await self._ask(self.directory.search, rule.group, "(objectClass=*)", attributes, "base", 1)
        return frozenset(dn.lower() for entry in found for dn in entry.values(rule.group_attribute))

    async def _search(self, kind: Kind, condition: str, most: int | None) -> Found:
        attributes = entries.wanted(self.options, kind)
        asked = (kind.tree, self._condition(kind, condition), attributes, None, most or self._most)
        return await self._ask(self.directory.search, *asked)

    async def _ask(self, function: Callable, *args: Any) -> Any:
        return await self.asking.ask(self.directory, function, *args)

    @property
    def _most(self) -> int:
        from monostack.identity.ldap.connection import MOST

        return self.options.list_limit or MOST

    def _condition(self, kind: Kind, condition: str) -> str:
        objects = filters.equal("objectClass", kind.object_class) if kind.object_class else ""
        return filters.every([objects, kind.filter, condition, filters.present(kind.id)])

    def _named(self, kind: Kind, named: list[tuple[str, str]]) -> str:
        return filters.every([COMPARED[operator](kind.name, value) for operator, value in named])

    # mirroring

    async def _take_users(self, people: Iterable[User]) -> list[Row]:
        return await self._take(mirror.take_users, people)

    async def _take_groups(self, circles: Iterable[Group]) -> list[Row]:
        return await self._take(mirror.take_groups, circles)

    async def _take(self, take: Callable, found: Iterable) -> list[Row]:
        rows: list[Row] = []
        for chunk in _chunks(found):
            rows += await self.cloud.engine.write(take, self.options.domain_id, chunk)
        return rows


def _read(found: Found, read: Callable[[Entry], User | Group | None]) -> Found:
    """What the entries are, without those that are nothing."""
    out = Found(each for each in map(read, found) if each is not None)
    out.whole = found.whole
    return out


def _chunks(found: Iterable, size: int = CHUNK) -> Iterable[list]:
    found = list(found)
    return (found[start : start + size] for start in range(0, len(found), size))
