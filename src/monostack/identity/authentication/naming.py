"""Whom and what a login means: users and domains by id or by name."""

from __future__ import annotations

from typing import Any

from monostack.identity.attributes import RESERVED
from monostack.identity.authentication.verifying import refused
from monostack.identity.domains import domains
from monostack.identity.tables import USERS
from monostack.kit.db import Db, Row


def user(db: Db, asked: dict[str, Any]) -> Row | None:
    """The user meant by {"id": ...}, or by {"name": ..., "domain": {...}}."""
    if "id" in asked:
        return db.one(USERS, id=asked["id"])
    domain_id = domain(db, asked["domain"])
    return own_user(db, asked["name"], domain_id) if domain_id else None


def own_user(db: Db, name: str, domain_id: str) -> Row | None:
    """The user of our own of that name; one for whom an identity provider vouches may have the same."""
    rows = db.all(USERS, name=name, domain_id=domain_id)
    return next((row for row in rows if not row["origin"]), None)


def told(asked: dict[str, Any]) -> str:
    """What was said of a user or credential that may not exist, as one text."""
    return repr([asked.get("id"), asked.get("name"), asked.get("user"), asked.get("domain")])


def domain(db: Db, asked: dict[str, Any]) -> str | None:
    """The id of the domain meant by {"id": ...} or {"name": ...}."""
    if "id" in asked:
        return asked["id"]
    must_be_said(db.cloud.settings.identity.domain_name_url_safe, asked["name"])
    row = domains.named(db, asked["name"])
    return None if row is None else row["id"]


def must_be_said(rule: str, name: str) -> None:
    """Refuse a login that names a project or domain by what the setting forbids."""
    if rule == "strict" and not RESERVED.isdisjoint(name):
        raise refused()
