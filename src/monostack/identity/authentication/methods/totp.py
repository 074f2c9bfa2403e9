"""Logging in with a code that a device shows, a new one every half minute.

The secret is a credential of the type totp, in base 32. A code is good once: it is written down as used
before the login goes on, so that whoever looks over a shoulder comes too late. A wrong code counts like a
wrong password; one that was good once does not, because it is no guess.

Source: RFC 6238, RFC 4226; identity's user guide, "Time-based One-time Password (TOTP)"."""

from __future__ import annotations

import base64
import hmac
import struct
from collections.abc import Mapping
from typing import Any

from monostack.identity.authentication import bodies, naming
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import refused
from monostack.identity.tables import CREDENTIALS, PASSCODES, USERS
from monostack.identity.users import standing
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Tx, lt

NAME = "totp"
FIELD = "identity/totp"
SECONDS = 30
DIGITS = 6
NOBODYS_SECRET = "A" * 32


def read(asked: Any, auth: Mapping[str, Any]) -> dict[str, Any]:
    bodies.must_be(asked, FIELD, "object")
    user = asked.get("user")
    if user is None:
        raise bodies.lacks("user", NAME)
    bodies.must_be(user, f"{FIELD}/user", "object")
    return bodies.named_user(user, f"{FIELD}/user")


async def prove(ctx: Context, asked: dict[str, Any]) -> Proof:
    user = await ctx.read(naming.user, asked)
    attempts, address = ctx.cloud.identity.attempts, ctx.request.remote
    who = user["id"] if user else naming.told(asked)
    attempts.admit(who, address)
    if await ctx.write(_use, user, asked.get("passcode"), address):
        return Proof(user["id"], (NAME,), epoch=user["epoch"] or 0)
    attempts.failed(who, address)
    raise refused()


def _use(tx: Tx, user: Row | None, passcode: Any, address: str) -> bool:
    """Whether the code is good, now for the last time. A failure is counted."""
    row = user and tx.one(USERS, id=user["id"])
    rows = tx.all(CREDENTIALS, order="id", user_id=row["id"], type=NAME) if row else []
    step = int(tx.cloud.clock.time()) // SECONDS
    found = _found(tx, rows, passcode if isinstance(passcode, str) else "", step)
    if row is None or standing.locked(tx.cloud, row):
        return False
    if found is None:
        if tx.cloud.settings.identity.lockout_failure_attempts:
            standing.count_failure(tx, row["id"], address)
        return False
    if tx.one(PASSCODES, credential_id=found[0], step=found[1]) is not None:
        return False
    tx.delete_all(PASSCODES, credential_id=found[0], step=lt(step - _before(tx)))
    tx.insert(PASSCODES, credential_id=found[0], user_id=row["id"], step=found[1])
    return True


def _found(db: Db, rows: list[Row], passcode: str, step: int) -> tuple[str, int] | None:
    """The credential and the step of time that the code is of. All are looked at, whatever is found."""
    given, found = passcode.encode(errors="replace"), None
    for row in rows:
        blob = db.cloud.identity.credential_keys.unseal(row["sealed_blob"])
        for at in range(step - _before(db), step + 1):
            right = code((blob or b"").decode(), at)
            if right is not None and hmac.compare_digest(right.encode(), given):
                found = row["id"], at
    if not rows:
        code(NOBODYS_SECRET, step)
    return found


def _before(db: Db) -> int:
    return db.cloud.settings.identity.totp_included_previous_windows


def code(secret: str, step: int) -> str | None:
    """The code of a secret at a step of time; None for a secret that is empty or not base 32."""
    try:
        key = base64.b32decode(secret.rstrip("=") + "=" * (-len(secret.rstrip("=")) % 8), casefold=True)
    except ValueError:
        return None
    if not key:
        return None
    digest = hmac.digest(key, struct.pack(">Q", step), "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


METHOD = Method(NAME, read, prove)
