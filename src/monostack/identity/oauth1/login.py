"""Logging in with an access token of OAuth 1: by the signature in the Authorization header.

The body only names the method. The token is for the project of the access token, with the roles that the
user granted, as far as he has them now.

Source: identity API reference, "OS-OAUTH1", "Authenticate with identity API"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import refused
from monostack.identity.oauth1 import access_tokens
from monostack.identity.oauth1.tables import ACCESS_TOKENS
from monostack.kit.clock import seconds
from monostack.kit.context import Context
from monostack.kit.db import Db

NAME = "oauth1"


def read(asked: Any, auth: Mapping[str, Any]) -> None:
    bodies.must_be(asked, f"identity/{NAME}", "object")


async def prove(ctx: Context, asked: None) -> Proof:
    row = await ctx.write(access_tokens.used, ctx.request)

    def still(db: Db) -> None:
        if db.one(ACCESS_TOKENS, id=row["id"], lock=False) is None:
            raise refused()

    return Proof(
        row["user_id"],
        (NAME,),
        still,
        ends=None if row["expires_at"] is None else int(seconds(row["expires_at"]) * 1_000_000),
        scope=("project", row["project_id"]),
        more={NAME: row["id"]},
    )


METHOD = Method(NAME, read, prove)
