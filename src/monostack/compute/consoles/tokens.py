"""What opens a console: a token for one server and one kind of console, for ten minutes.

Only its hash is kept, so that who reads the database opens nothing. Tokens that are over go when the next
one is made.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from monostack.compute.servers import rows
from monostack.kit.db import Column, Index, String, Table, Time, lt, stamps

TOKENS = Table(
    "compute_console_tokens",
    Column("token_hash", String(64), unique=True),
    Column("server_id", String(64)),
    Column("type", String(16)),
    Column("expires_at", Time),
    *stamps(),
    Index("compute_console_tokens_expires", "expires_at"),
)
SECONDS = 600


def make(tx, server, kind: str) -> str:
    """A new token; the only time that it is seen."""
    tx.delete_all(TOKENS, expires_at=lt(tx.now))
    token = str(uuid.uuid4())
    tx.insert(
        TOKENS,
        token_hash=_hash(token),
        server_id=server["id"],
        type=kind,
        expires_at=tx.cloud.clock.after(SECONDS),
    )
    return token


def server_of(db, token: str, kind: str | None = None) -> tuple[Any, str] | None:
    """The living server that a token opens, and the kind of console; None when it opens nothing (any
    more)."""
    row = db.one(TOKENS, token_hash=_hash(token), lock=False)
    if row is None or row["expires_at"] <= db.now or (kind is not None and row["type"] != kind):
        return None
    server = db.one(rows.SERVERS, id=row["server_id"], lock=False)
    return None if server is None or server["host"] is None else (server, row["type"])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
