"""Logging in with a token that one has: for another scope.

The new token keeps the old one's end and the audit id of the first, so that a chain of them can neither live
longer nor escape a revocation; it says by which methods the first was got, and what else it carried. Borrowed
tokens make no others, and a token for the whole system none for a project or domain.

Source: identity API reference, "Token authentication with scoped authorization"; what a current identity
service answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.delegation import borrowed
from monostack.identity.tokens import tokens
from monostack.identity.tokens.claims import Claims
from monostack.kit.context import Context
from monostack.kit.db import Db
from monostack.kit.errors import Error

NAME = "token"
FIELD = "identity/token"


def read(asked: Any, auth: Mapping[str, Any]) -> tuple[str, bool]:
    """The token, and whether a project or domain is asked for."""
    bodies.must_be(asked, FIELD, "object")
    if "id" not in asked:
        raise bodies.required("id", FIELD)
    bodies.must_be(asked["id"], f"{FIELD}/id", "string")
    scope = auth.get("scope")
    return asked["id"], isinstance(scope, dict) and not scope.keys().isdisjoint(("project", "domain"))


async def prove(ctx: Context, asked: tuple[str, bool]) -> Proof:
    token, narrower = asked
    origin = await ctx.read(_claims, token)
    borrowed.refuse_as_origin(origin)
    if origin.scope == "system" and narrower:
        raise borrowed.forbidden(
            "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed"
        )
    if origin.scope != "unscoped" and not ctx.cloud.settings.identity.allow_rescope_scoped_token:
        raise borrowed.forbidden("rescope a scoped token")
    return Proof(
        origin.user_id,
        tuple(dict.fromkeys((*origin.methods, NAME))),
        still=lambda db: _still(db, token),
        ends=origin.expires,
        chain_id=origin.chain_id,
        more=origin.more,
    )


def _claims(db: Db, token: str) -> Claims:
    """What the token says; raises Error when it is not valid."""
    claims = tokens.claims_of(db, token) if token else None
    if claims is None or not _valid(db, token):
        raise not_valid(db, token)
    return claims


def _still(db: Db, token: str) -> None:
    if not _valid(db, token):
        raise not_valid(db, token)


def _valid(db: Db, token: str) -> bool:
    return db.cloud.auth.caller(db, token) is not None


def not_valid(db: Db, token: str | None) -> Error:
    """No token, or a token that is not ours, or not good any more."""
    if not token:
        return Error(404, "TokenNotFound", "No token in the request")
    if tokens.claims_of(db, token) is None:
        return Error(404, "TokenNotFound", db.cloud.identity.tokens.strange)
    return Error(404, "TokenNotFound", "Failed to validate token")


METHOD = Method(NAME, read, prove)
