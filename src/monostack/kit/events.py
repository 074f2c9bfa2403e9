"""Events: what happened to whom, in order, across services.

They are written in exactly two places, both in the transaction of the change: the app (a route's event) and a
loop or report that settles something. `monostack why`, instance actions, notifications and metering read
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monostack.kit.db.columns import JSON, BigInteger, Column, Index, Integer, String, Table, Text, Time

if TYPE_CHECKING:
    from monostack.kit.db.tx import Tx

EVENTS = Table(
    "events",
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Time),
    Column("kind", String(128)),
    Column("resource_id", String(255)),  # also names: of resource classes, traits, definitions
    Column("request_id", String(64)),
    Column("project_id", String(64)),
    Column("user_id", String(64)),
    Column("host", String(255)),
    Column("cause", Text),
    Column("details", JSON),
    Index("events_resource", "resource_id"),
    Index("events_request", "request_id"),
    Index("events_at", "at"),
)


def record(
    tx: Tx,
    kind: str,
    resource_id: str | None,
    *,
    request_id: str | None = None,
    project_id: str | None = None,
    user_id: str | None = None,
    host: str | None = None,
    cause: str | None = None,
    **details: Any,
) -> None:
    """Write one event. `kind` is SERVICE.RESOURCE.VERB in the notifications' spelling, `cause` the words of a
    failure, `details` further facts, never secrets."""
    tx.insert(
        EVENTS,
        at=tx.now,
        kind=kind,
        resource_id=resource_id,
        request_id=request_id,
        project_id=project_id,
        user_id=user_id,
        host=host,
        cause=cause,
        details=details or None,
    )


def story(db, word: str) -> list:
    """Events of a resource id or a request id, oldest first; a request id brings all resources it touched."""
    column = "request_id" if word.startswith("req-") else "resource_id"
    return db.all(EVENTS, order="seq", **{column: word})


def prune(tx: Tx, before: str, limit: int = 1000) -> int:
    """Delete up to `limit` events older than the moment; the count."""
    old = tx.all(EVENTS, order="seq", limit=limit, at=_before(before))
    return tx.delete_all(EVENTS, seq=[row["seq"] for row in old]) if old else 0


def _before(moment: str):
    from monostack.kit.db.rows import lt

    return lt(moment)
