"""What is wrong with an identity service, as far as its rows, keys and settings tell: each finding says
what to do.

Source: identity's administration guide, "keystone-manage doctor"; what operators have locked themselves out
by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from monostack.identity import foundation
from monostack.identity.credentials import sealing
from monostack.identity.roles import grants
from monostack.identity.tables import ASSIGNMENTS, PROJECTS, ROLES, USERS
from monostack.identity.tokens import keys
from monostack.kit.db import Db
from monostack.settings import Settings

WEAK_BCRYPT = 10


def findings(db: Db, tables: tuple, settings: Settings) -> list[str]:
    """Everything that is wrong, in words; empty when all is well."""
    checks: tuple[Callable[[], Iterator[str]], ...] = (
        lambda: _keys(settings),
        lambda: _sealed(db, tables, settings),
        lambda: _rows(db),
        lambda: _passwords(settings),
    )
    return [words for check in checks for words in check()]


def _keys(settings: Settings) -> Iterator[str]:
    seen: dict[str, Path] = {}
    wanted = {"credential-keys"} | (
        {"fernet-keys"} if settings.identity.token_provider == "fernet" else set()
    )
    for name in ("fernet-keys", "receipt-keys", "credential-keys"):
        folder = settings.state / name
        known = keys.status(folder)
        if not known and name in wanted:
            yield f"{folder} has no keys: make them with `monostack keys setup`."
        if folder.is_dir() and folder.stat().st_mode & 0o077:
            yield f"{folder} may be opened by others than its owner: chmod 700 {folder}."
        for key in known:
            path = folder / str(key.number)
            if path.stat().st_mode & 0o077:
                yield f"{path} may be read by others than its owner: chmod 600 {path}."
            if seen.setdefault(key.fingerprint, folder) != folder:
                yield (
                    f"{folder} and {seen[key.fingerprint]} share a key: whoever gets hold of one gets both. "
                    f"Rotate until they differ."
                )
    if settings.identity.max_active_keys < 3:
        yield (
            "identity.max_active_keys is less than 3: each rotation ends the tokens made before it. "
            "Set it to 3 or more."
        )


def _sealed(db: Db, tables: tuple, settings: Settings) -> Iterator[str]:
    folder = settings.state / "credential-keys"
    if not keys.status(folder):
        return
    found = sealing.standing(db, tables, keys.Keys(folder))
    if found.older:
        yield f"{found.older} stored values are sealed with an old key: `monostack keys migrate credential`."
    if found.lost:
        yield (
            f"{found.lost} stored values cannot be opened by any key in {folder}: put the keys of a backup "
            "there, or let the users make these credentials anew."
        )


def _rows(db: Db) -> Iterator[str]:
    remedy = "`monostack identity bootstrap` mends it."
    domain = db.one(PROJECTS, id=foundation.DEFAULT_DOMAIN)
    if domain is None or not domain["enabled"]:
        yield f"The default domain is missing or disabled: its users cannot log in; {remedy}"
    for name in (*foundation.ROLE_CHAIN, foundation.SERVICE_ROLE):
        if db.one(ROLES, name=name, domain_id="") is None:
            yield f"There is no role {name}, which the services' rules speak of; {remedy}"
    admin = db.one(ROLES, name="admin", domain_id="")
    if admin is not None and not _administered(db, admin["id"]):
        yield f"No enabled user has the role admin on the system or on a project; {remedy}"


def _administered(db: Db, role_id: str) -> bool:
    for row in db.all(ASSIGNMENTS, role_id=role_id, actor_kind="user"):
        user = db.one(USERS, id=row["actor_id"], enabled=True)
        if user is not None and (row["target_id"] == grants.SYSTEM or row["target_kind"] == "project"):
            return True
    return bool(db.all(ASSIGNMENTS, role_id=role_id, actor_kind="group", limit=1))


def _passwords(settings: Settings) -> Iterator[str]:
    ours = settings.identity
    if ours.password_expires_days and ours.minimum_password_age >= ours.password_expires_days:
        yield (
            "identity.minimum_password_age is not less than identity.password_expires_days: users could not "
            "change their passwords before these expire."
        )
    try:
        re.compile(ours.password_regex)
    except re.error as reason:
        yield f"identity.password_regex is no regular expression ({reason}): nobody can set a password."
    if ours.password_hash_algorithm == "bcrypt" and 0 < ours.password_hash_rounds < WEAK_BCRYPT:
        yield (
            f"identity.password_hash_rounds is {ours.password_hash_rounds}: stolen hashes are guessed "
            "quickly. Leave it at its default outside of tests."
        )
