"""Whether a secret fits: the password of a user, or the secret of an application credential.

Every failure is the same refusal after the same work, whether the user is unknown, has no password, or gave a
wrong one. Work is saved only for a login that was verified lately (see passwords)."""

from __future__ import annotations

from monostack.identity.authentication import passwords
from monostack.identity.wire import UNAUTHORIZED
from monostack.kit.context import Context
from monostack.kit.db import Row
from monostack.kit.errors import Error


def refused() -> Error:
    """The one answer to every login that fails."""
    return Error(401, "Unauthorized", UNAUTHORIZED)


async def matching(ctx: Context, row: Row | None, secret: str, column: str = "password_hash") -> Row:
    """The row, if the secret fits the hash in its column; otherwise raises the refusal."""
    runtime = ctx.cloud.identity
    if len(secret) > passwords.LONGEST:
        raise refused()
    stored = row[column] if row else None
    if stored is None:
        await ctx.cpu(passwords.matches, secret, runtime.nobodys_hash)
        raise refused()
    if not runtime.verified.knows(row["id"], stored, secret):
        if not await ctx.cpu(passwords.matches, secret, stored):
            raise refused()
        runtime.verified.remember(row["id"], stored, secret)
    return row


async def hashed(ctx: Context, secret: str) -> str:
    """The hash to store, made in the pool for such work."""
    return await ctx.cpu(passwords.hashed, secret, ctx.cloud.settings.identity.password_rounds)
