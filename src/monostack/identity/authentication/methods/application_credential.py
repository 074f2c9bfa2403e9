"""Logging in with an application credential, which has its own scope.

Source: identity API reference, "Authenticating with an Application Credential"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies, naming
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import matching
from monostack.identity.tables import APPLICATION_CREDENTIALS
from monostack.kit.clock import seconds
from monostack.kit.context import Context
from monostack.kit.db import Db, Row
from monostack.kit.errors import Error

NAME = "application_credential"
FIELD = "identity/application_credential"


def read(asked: Any, auth: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """What names the credential, with its secret, and whether a scope is asked for besides."""
    bodies.must_be(asked, FIELD, "object")
    bodies.texts(asked, FIELD, "id", "name", "secret")
    bodies.one_of_two(asked, FIELD)
    if "id" not in asked:
        if asked.get("user") is None:
            raise bodies.lacks("user", "application credential")
        bodies.must_be(asked["user"], f"{FIELD}/user", "object")
        asked = asked | {"user": bodies.named_user(asked["user"], f"{FIELD}/user")}
    return asked, "scope" in auth


async def prove(ctx: Context, asked: tuple[dict[str, Any], bool]) -> Proof:
    credential, scoped = asked
    if scoped:
        words = "Application credentials cannot request a scope."
        words = f"Error authenticating with application credential: {words}"
        raise Error(401, "Unauthorized", words, body={"identity": {}})
    found = await ctx.read(_named, credential)
    row = await matching(ctx, found, credential.get("secret") or "", "secret_hash", naming.told(credential))
    return Proof(
        row["user_id"],
        (NAME,),
        ends=None if row["expires_at"] is None else int(seconds(row["expires_at"]) * 1_000_000),
        scope=("project", row["project_id"]),
        claims={"credential_id": row["id"]},
    )


def _named(db: Db, asked: dict[str, Any]) -> Row | None:
    if "id" in asked:
        return db.one(APPLICATION_CREDENTIALS, id=asked["id"])
    user = naming.user(db, asked["user"])
    return user and db.one(APPLICATION_CREDENTIALS, user_id=user["id"], name=asked["name"])


METHOD = Method(NAME, read, prove)
