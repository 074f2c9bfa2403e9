"""The rows that mirror a directory's users and groups: tokens, assignments and names need no directory.

A row says what the directory said when it was seen last. One that the directory, asked for just that, did not
give is deleted; role assignments stay, and count again when the user is back, because his id is the same. His
epoch starts at the time of the mirroring, so that no token of an earlier life is good again.

A name that one of our own users has stays his: the directory's user of that name is not let in beside him."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from monostack.identity.ldap.entries import Group, User, public_id
from monostack.identity.tables import GROUPS, MEMBERSHIPS, USERS
from monostack.identity.tokens import tokens
from monostack.kit.clock import seconds
from monostack.kit.db import Row, Taken, Tx, ge

EPOCH_ZERO = 1_577_836_800
"""2020, so that the count of seconds since then fits into 32 bits for as long as anybody cares."""
SEEN = ge("")
"""The condition on seen_at that mirrored rows fulfil."""
log = logging.getLogger(__name__)


def take_users(tx: Tx, domain_id: str, found: Iterable[User]) -> list[Row]:
    """Rows of the users that the directory gave."""
    wanted = {public_id(domain_id, "user", each.local_id): each for each in found}
    have = {row["id"]: row for row in tx.all(USERS, id=list(wanted))} if wanted else {}
    out = []
    for id, user in wanted.items():  # noqa: A001 - the field's word
        values = {
            "name": user.name,
            "enabled": user.enabled,
            "default_project_id": user.default_project_id,
            "directory_dn": user.dn,
            "extra": dict(user.more),
        }
        row = _taken(tx, USERS, have, id, domain_id, user.local_id, values)
        if row is not None:
            out.append(row)
    return out


def take_groups(tx: Tx, domain_id: str, found: Iterable[Group]) -> list[Row]:
    """Rows of the groups that the directory gave."""
    wanted = {public_id(domain_id, "group", each.local_id): each for each in found}
    have = {row["id"]: row for row in tx.all(GROUPS, id=list(wanted))} if wanted else {}
    out = []
    for id, group in wanted.items():  # noqa: A001
        values = {
            "name": group.name,
            "description": group.description or "",
            "directory_dn": group.dn,
            "extra": dict(group.more),
        }
        row = _taken(tx, GROUPS, have, id, domain_id, group.local_id, values)
        if row is not None:
            out.append(row)
    return out


def _taken(
    tx: Tx,
    table,
    have: dict[str, Row],
    id: str,
    domain_id: str,
    local_id: str,
    values: dict[str, Any],  # noqa: A002
) -> Row | None:
    """The row brought to the values; None when its name is one of our own."""
    row = have.get(id)
    if row is None or row["name"] != values["name"]:
        alike = tx.all(table, lock=True, domain_id=domain_id, name=values["name"])
        holder = next((each for each in alike if not each.get("origin")), None)
        if holder is not None and holder["seen_at"] is None:
            log.warning("%s %s of the directory of domain %s is not taken: the name is one of our own",
                        table.name, values["name"], domain_id)  # fmt: skip
            return None
        if (
            holder is not None
        ):  # the name went from one to another; who lost it gets his new one when he is read
            tx.set(have.get(holder["id"], holder), name=holder["id"])
    if row is None:
        made = {"id": id, "domain_id": domain_id, "directory_id": local_id, "seen_at": tx.now} | values
        if table is USERS:
            made |= {"options": {}, "epoch": int(tx.cloud.clock.time()) - EPOCH_ZERO}
        try:
            with tx.nested():
                return tx.insert(table, **made)
        except Taken:  # somebody else mirrors it at this moment
            row = tx.one(table, id=id)
            if row is None:
                return None
    changed = {name: value for name, value in values.items() if row[name] != value}
    was_enabled = row.get("enabled")
    if changed or _worth_saying(tx, row):
        tx.set(row, seen_at=tx.now, **changed)
    if changed:
        tx.ends_tokens()
    if was_enabled and not row["enabled"]:
        tokens.end_all(tx, row)
    return row


def _worth_saying(tx: Tx, row: Row) -> bool:
    """Whether the row was seen so long ago that saying it again is worth a write."""
    if not row["seen_at"]:
        return True
    age = tx.cloud.clock.time() - seconds(row["seen_at"])
    return age > tx.cloud.settings.identity.directory_cache_seconds / 4


def set_groups(tx: Tx, user: Row, groups: list[Row]) -> None:
    """The groups of the directory that a user is in are these."""
    wanted = {group["id"] for group in groups}
    for member in tx.all(MEMBERSHIPS, user_id=user["id"]):
        if member["group_id"] in wanted:
            wanted.discard(member["group_id"])
        elif _mirrored_group(tx, member["group_id"]):
            tx.delete(member)
            tx.ends_tokens()
    for group_id in sorted(wanted):
        _join(tx, group_id, user["id"])


def set_members(tx: Tx, group: Row, users: list[Row]) -> None:
    """The members of a group of the directory are these."""
    wanted = {user["id"] for user in users}
    for member in tx.all(MEMBERSHIPS, group_id=group["id"]):
        if member["user_id"] in wanted:
            wanted.discard(member["user_id"])
        else:
            tx.delete(member)
            tx.ends_tokens()
    for user_id in sorted(wanted):
        _join(tx, group["id"], user_id)


def _join(tx: Tx, group_id: str, user_id: str) -> None:
    try:
        with tx.nested():
            tx.insert(MEMBERSHIPS, group_id=group_id, user_id=user_id)
            tx.ends_tokens()
    except Taken:
        return


def _mirrored_group(tx: Tx, group_id: str) -> bool:
    row = tx.one(GROUPS, id=group_id, lock=False)
    return row is None or row["seen_at"] is not None


def forget_users(tx: Tx, ids: Iterable[str]) -> None:
    """The directory has these users no more."""
    ids = list(ids)
    if ids and tx.delete_all(USERS, id=ids, seen_at=SEEN):
        tx.delete_all(MEMBERSHIPS, user_id=ids)
        tx.ends_tokens()


def forget_groups(tx: Tx, ids: Iterable[str]) -> None:
    """The directory has these groups no more."""
    ids = list(ids)
    if ids and tx.delete_all(GROUPS, id=ids, seen_at=SEEN):
        tx.delete_all(MEMBERSHIPS, group_id=ids)
        tx.ends_tokens()


def forget_some(tx: Tx, kind: str, where: dict[str, Any], most: int) -> int:
    """Forget so many of the mirrored users or groups (kind) that fulfil the conditions; how many it were."""
    table, forget = {"user": (USERS, forget_users), "group": (GROUPS, forget_groups)}[kind]
    ids = [row["id"] for row in tx.all(table, order="id", limit=most, seen_at=SEEN, **where)]
    forget(tx, ids)
    return len(ids)


def forget_domain(tx: Tx, domain_id: str) -> None:
    """The domain has no directory any more."""
    groups = [row["id"] for row in tx.all(GROUPS, domain_id=domain_id, seen_at=SEEN)]
    if groups:
        tx.delete_all(MEMBERSHIPS, group_id=groups)
        tx.delete_all(GROUPS, domain_id=domain_id, seen_at=SEEN)
    if tx.delete_all(USERS, domain_id=domain_id, seen_at=SEEN) or groups:
        tx.ends_tokens()


def distrust(tx: Tx, domain_id: str) -> None:
    """What was seen by other options must be looked at again before it is believed."""
    for table in (USERS, GROUPS):
        tx.update(table, {"domain_id": domain_id, "seen_at": SEEN}, seen_at="")
