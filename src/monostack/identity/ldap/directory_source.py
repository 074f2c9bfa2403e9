"""A directory as the source of a domain's users and groups: what each question of the API asks of it.

Every question first asks the directory, then brings the mirror's rows to what it said; the caller answers
from the rows. Lists are filtered by name in the directory already; whatever else is asked is judged on the
rows.

Source: identity administration guide, "LDAP"; what a current identity service asks its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from monostack.identity.ldap import entries, filters, mirror
from monostack.identity.ldap.entries import Entry, Group, User
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

    async def _all_of(self, table, found: list, named: list[tuple[str, str]], take, forget) -> frozenset[str]:
        ids = frozenset(row["id"] for row in await take(found))
        exact = [value for operator, value in named if operator == ""]
        if len(found) < self._most and (not named or (len(named) == 1 and exact)):
            gone = await self.cloud.engine.read(self._unseen, table, ids, exact)
            for chunk in _chunks(gone):
                await self.cloud.engine.write(forget, chunk)
        return ids

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

    async def _search_users(self, condition: str) -> list[User]:
        options, kind = self.options, self.options.users
        enabled = await self._enabled_dns()
        found = await self._search(kind, condition)
        people = (entries.user(options, entry, enabled) for entry in found)
        return [user for user in people if user is not None]

    async def _search_groups(self, condition: str) -> list[Group]:
        found = await self._search(self.options.groups, condition)
        return [
            group for group in (entries.group(self.options, entry) for entry in found) if group is not None
        ]

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

    async def _search(self, kind: Kind, condition: str) -> list[Entry]:
        attributes = entries.wanted(self.options, kind)
        asked = (kind.tree, self._condition(kind, condition), attributes, None, self._most)
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


def _chunks(found: Iterable, size: int = CHUNK) -> Iterable[list]:
    found = list(found)
    return (found[start : start + size] for start in range(0, len(found), size))
