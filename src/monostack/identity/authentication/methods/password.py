"""Logging in with a password: of our own rows, or of the directory that the user lives in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies, naming
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import of_user, refused
from monostack.identity.tables import USERS
from monostack.identity.users import sources
from monostack.kit.context import Context
from monostack.kit.db import Db, Row

NAME = "password"
FIELD = "identity/password"


def read(asked: Any, auth: Mapping[str, Any]) -> dict[str, Any]:
    bodies.must_be(asked, FIELD, "object")
    user = asked.get("user")
    if user is None:
        raise bodies.lacks("user", NAME)
    bodies.must_be(user, f"{FIELD}/user", "object")
    bodies.texts(user, f"{FIELD}/user", "id", "name", "password")
    return bodies.named_user(user, f"{FIELD}/user")


async def prove(ctx: Context, asked: dict[str, Any]) -> Proof:
    user = await ctx.read(naming.user, asked)
    ctx.cloud.identity.attempts.admit(user["id"] if user else naming.told(asked), ctx.request.remote)
    if user is None or user["seen_at"] is not None:
        elsewhere = await _in_directory(ctx, user, asked)
        if elsewhere is not None:
            return elsewhere
    user = await of_user(ctx, user, asked.get("password") or "", naming.told(asked))
    return Proof(user["id"], (NAME,), epoch=user["epoch"] or 0)


async def _in_directory(ctx: Context, user: Row | None, asked: dict[str, Any]) -> Proof | None:
    """The proof of a user who lives in a directory and is let in there."""
    domain_id = await ctx.read(naming.domain, asked["domain"]) if "domain" in asked else None
    found = await sources.logged_in(ctx, user, asked, domain_id)
    if found is None:
        return None
    user_id = found["id"]

    def still(db: Db) -> None:
        if db.one(USERS, id=user_id, enabled=True) is None:
            raise refused()

    return Proof(user_id, (NAME,), still)


METHOD = Method(NAME, read, prove)
