"""Whether a secret fits: the password of a user, or the secret of an application credential.

Every failure is the same refusal after the same work, whether the user is unknown, has no password, is locked
out, or gave a wrong one. Work is saved only for a login that was verified lately (see verified), and never
for an account that is locked: a quick refusal would say that the password was right."""

from __future__ import annotations

from monostack.identity.authentication import passwords
from monostack.identity.authentication.passwords import Recipe
from monostack.identity.tables import USERS
from monostack.identity.users import standing
from monostack.identity.wire import UNAUTHORIZED
from monostack.kit.context import Context
from monostack.kit.db import Row, Tx
from monostack.kit.errors import Error
from monostack.settings import BadSetting, Identity


def refused() -> Error:
    """The one answer to every login that fails."""
    return Error(401, "Unauthorized", UNAUTHORIZED)


def recipe(settings: Identity) -> Recipe:
    """How new secrets are hashed; raises BadSetting."""
    algorithm = settings.password_hash_algorithm
    if algorithm not in passwords.ROUNDS:
        known = ", ".join(passwords.ROUNDS)
        raise BadSetting(f"identity.password_hash_algorithm is {algorithm!r}: it must be one of {known}")
    rounds = settings.password_hash_rounds or passwords.ROUNDS[algorithm]
    least, most = passwords.LIMITS[algorithm]
    if not least <= rounds <= most:
        raise BadSetting(
            f"identity.password_hash_rounds is {rounds}: for {algorithm} it must be {least} to {most}"
        )
    return Recipe(algorithm, rounds)


async def matching(ctx: Context, row: Row | None, secret: str, column: str, who: str) -> Row:
    """The row, if the secret fits the hash in its column; otherwise raises the refusal. `who` is what guesses
    are counted under where there is no row."""
    attempts, address = ctx.cloud.identity.attempts, ctx.request.remote
    who = row["id"] if row else who
    attempts.admit(who, address)
    if await fits(ctx, row, secret, column) and row is not None:
        return row
    attempts.failed(who, address)
    raise refused()


async def fits(ctx: Context, row: Row | None, secret: str, column: str, *, from_memory: bool = True) -> bool:
    """Whether the secret fits. There is one comparison, whatever the answer."""
    runtime = ctx.cloud.identity
    stored = row[column] if row else None
    if len(secret) > passwords.LONGEST:
        secret, stored = "", None
    if row is None or stored is None:
        await ctx.cpu(passwords.matches, secret, runtime.nobodys_hash)
        return False
    if from_memory and runtime.verified.knows(row["id"], stored, secret):
        return True
    if not await ctx.cpu(passwords.matches, secret, stored):
        return False
    runtime.verified.remember(row["id"], stored, secret)
    return True


async def of_user(
    ctx: Context, row: Row | None, password: str, who: str, *, expired_too: bool = False
) -> Row:
    """The user, if the password is his and opens anything now; otherwise raises the refusal.

    A failure is counted and committed. What the user himself must do (change an expired password) is told
    only to who knows the password. After a success the hash is made anew if the settings say how."""
    cloud, attempts = ctx.cloud, ctx.cloud.identity.attempts
    who = row["id"] if row else who
    attempts.admit(who, ctx.request.remote)
    locked = row is not None and standing.locked(cloud, row)
    fitting = await fits(ctx, row, password, "password_hash", from_memory=not locked)
    if row is None or locked or not fitting:
        attempts.failed(who, ctx.request.remote)
        if row is not None and not locked and cloud.settings.identity.lockout_failure_attempts:
            await ctx.write(standing.count_failure, row["id"], ctx.request.remote)
        raise refused()
    if not standing.enabled(cloud, row):
        raise refused()
    if standing.expired(cloud, row) and not expired_too:
        words = f"The password is expired and needs to be changed for user: {row['id']}."
        raise Error(401, "Unauthorized", words)
    if passwords.stale(row["password_hash"], cloud.identity.recipe):
        stored = await hashed(ctx, password)
        if await ctx.write(_set_hash, row, stored):
            row["password_hash"] = stored
    if standing.anything_to_note(cloud, row):
        await ctx.write(standing.note_success, row["id"])
    return row


def _set_hash(tx: Tx, row: Row, stored: str) -> bool:
    """The same password under another hash. Who changed it meanwhile comes first."""
    found = tx.one(USERS, id=row["id"])
    return found is not None and tx.set(
        found, when={"password_hash": row["password_hash"]}, password_hash=stored
    )


async def hashed(ctx: Context, secret: str) -> str:
    """The hash to store, made in the pool for such work."""
    return await ctx.cpu(passwords.hashed, secret, ctx.cloud.identity.recipe)
