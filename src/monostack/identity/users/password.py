"""Changing one's own password. It needs no token, but the old password, which may have expired.

A new password ends all tokens of the user.

Source: identity API reference, "Change password for user"; what a current identity service answers."""

from __future__ import annotations

from typing import Any

from monostack.identity.attributes import bad
from monostack.identity.authentication.verifying import hashed, of_user, refused
from monostack.identity.tables import USERS
from monostack.identity.tokens import tokens
from monostack.identity.users import password_rules
from monostack.identity.wire import only_post
from monostack.kit.context import Context
from monostack.kit.db import Tx
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import PUBLIC, Response, Route

NAMES = ("original_password", "password")


async def change(request: Request, ctx: Context) -> Response:
    asked = _asked(request.body)
    user_id, new = request.path["user_id"], asked["password"]
    found = await ctx.read(lambda db: db.one(USERS, id=user_id))
    row = await of_user(ctx, found, asked["original_password"], user_id, expired_too=True)
    if not await ctx.read(tokens.may_log_in, row["id"]):
        raise refused()
    password_rules.check(ctx.cloud.settings.identity, new)
    await ctx.read(password_rules.check_change, row)
    before = await ctx.read(password_rules.lately, row)
    if before and await ctx.cpu(password_rules.reused, new, before):
        raise password_rules.already_used(ctx.cloud.settings.identity.unique_last_password_count)
    await ctx.write(_set, user_id, row["password_hash"], await hashed(ctx, new))
    return Response(204)


def _set(tx: Tx, user_id: str, was: str, stored: str) -> None:
    row = tx.one(USERS, id=user_id, missing=refused())
    if row["password_hash"] != was:
        words = "The password was changed by somebody else at the same moment. Try again."
        raise Error(409, "Conflict", words)
    password_rules.remember(tx, row)
    tx.set(row, **password_rules.columns(tx, stored, row["options"] or {}, by_himself=True))
    tokens.end_all(tx, row)


def _asked(body: Any) -> dict[str, str]:
    asked = body.get("user") if isinstance(body, dict) else None
    if not isinstance(asked, dict):
        raise bad("'user' is a required property: an object with original_password and password.")
    for name in NAMES:
        if not isinstance(asked.get(name), str):
            raise bad(f"'{name}' is a required property, a text.")
    if unknown := asked.keys() - set(NAMES):
        raise bad(f"Additional properties are not allowed: {', '.join(sorted(unknown))}.")
    return asked


ROUTES = (
    Route("POST", "/users/{user_id}/password", change, PUBLIC),
    Route("GET", "/users/{user_id}/password", only_post, PUBLIC),
)
