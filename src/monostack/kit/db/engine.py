"""Which database, and how it is opened: SQLite embedded, PostgreSQL by URL.

Both engines offer the same four calls: `read` and `write` await a function over a snapshot or a transaction,
`now` runs a read at once on the event loop's thread (SQLite) and is what the hot path uses, `close` ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from monostack.kit.db.tx import Statements

if TYPE_CHECKING:
    from monostack.cloud import Cloud


class Connection(Protocol):
    """What `Db` and `Tx` need of a driver's connection."""

    statements: Statements
    epoch: int | None
    """What the watched statement gave when the transaction began; None where nobody else writes."""

    def fetch(self, sql: str, values: tuple) -> list[tuple]: ...
    def change(self, sql: str, values: tuple) -> int: ...
    def command(self, sql: str) -> None: ...
    def undo(self, savepoint: str) -> None: ...


class Engine(Protocol):
    name: str
    shared: bool
    """Whether other processes may write to the same database."""

    def preparing(self) -> AbstractContextManager[None]: ...
    async def read(self, function: Callable, *args) -> Any: ...
    async def write(self, function: Callable, *args) -> Any: ...
    def written_elsewhere(self) -> bool: ...
    def close(self) -> None: ...


def open_engine(url: str, cloud: Cloud) -> Engine:
    """`sqlite:PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`; raises ValueError for others."""
    if url.startswith("sqlite:"):
        from monostack.kit.db.sqlite import SqliteEngine

        return SqliteEngine(url.removeprefix("sqlite:"), cloud)
    if url.startswith(("postgresql:", "postgres:")):
        from monostack.kit.db.postgresql import PostgresEngine

        return PostgresEngine(url, cloud)
    raise ValueError(f"database {url.split(':')[0]}: only sqlite:PATH and postgresql://... are understood")
