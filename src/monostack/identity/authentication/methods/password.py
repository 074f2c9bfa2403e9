"""Logging in with a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies, naming
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import matching, refused
from monostack.identity.tables import USERS
from monostack.kit.context import Context
from monostack.kit.db import Db

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
    user = await matching(ctx, user, asked.get("password") or "")

    def still(db: Db) -> None:
        if db.one(USERS, id=user["id"], password_hash=user["password_hash"]) is None:
            raise refused()

    return Proof(user["id"], (NAME,), still)


METHOD = Method(NAME, read, prove)
