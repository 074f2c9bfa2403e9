"""PostgreSQL: handlers run in threads, one connection each, READ COMMITTED with row locks.

What PostgreSQL asks for (serialisation failure, deadlock) is answered by running the handler again: write
handlers are pure. A connection that breaks before COMMIT is opened anew and the handler runs again; one that
breaks during COMMIT leaves the outcome unknown, and the caller is told so (503) instead of being told
something false.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.dialects.postgresql import psycopg as dialect_module

from monostack.kit.crash import point
from monostack.kit.db.rows import Taken
from monostack.kit.db.tx import Db, Statements, Tx
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud

READ = "begin isolation level repeatable read read only"
WRITE = "begin isolation level read committed"
THREADS = 8
UNKEPT = "A value is longer than can be kept, or holds a NUL character."
TRIES = 8
PREPARING = 0x6D6F6E6F
"""The number of the advisory lock."""
PREPARE_SECONDS = 60

log = logging.getLogger(__name__)


class PostgresConnection:
    """One connection in autocommit mode; transactions are opened by hand, so that BEGIN takes along what must
    be known at the start of each: one round trip for both. `raw` is there once `connected`, which it is from
    `begin` on."""

    raw: psycopg.Connection

    def __init__(self, url: str, statements: Statements) -> None:
        self.statements = statements
        self.url = url
        self.connected = False
        self.epoch: int | None = None

    def open(self) -> psycopg.Connection:
        if not self.connected or self.raw.closed or self.raw.broken:
            self.raw = psycopg.connect(self.url, connect_timeout=5, autocommit=True)
            self.connected = True
            self.raw.execute("set timezone to 'UTC'")
        return self.raw

    def begin(self, words: str, watched: str | None) -> psycopg.Connection:
        """Open a transaction and read the one number that `watched` selects."""
        raw = self.open()
        if watched is None:
            raw.execute(words, prepare=False)
            return raw
        answers = raw.execute(f"{words}; {watched}", prepare=False)
        answers.nextset()
        row = answers.fetchone()
        self.epoch = row[0] if row else -1
        return raw

    def fetch(self, sql: str, values: tuple) -> list[tuple]:
        try:
            return self.raw.execute(sql, values).fetchall()
        except psycopg.errors.UniqueViolation as reason:
            raise Taken(str(reason)) from reason
        except psycopg.DataError as reason:
            raise Error(400, "BadRequest", UNKEPT) from reason

    def change(self, sql: str, values: tuple) -> int:
        try:
            return self.raw.execute(sql, values).rowcount
        except psycopg.errors.UniqueViolation as reason:
            raise Taken(str(reason)) from reason
        except psycopg.DataError as reason:
            raise Error(400, "BadRequest", UNKEPT) from reason

    def command(self, sql: str) -> None:
        self.raw.execute(sql)

    def undo(self, savepoint: str) -> None:
        self.raw.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")
        self.raw.execute(f"RELEASE SAVEPOINT {savepoint}")

    def roll_back(self) -> None:
        if self.connected:
            self.raw.rollback()

    def drop(self) -> None:
        if self.connected:
            try:
                self.raw.close()
            except psycopg.Error:
                pass
            self.connected = False


class PostgresEngine:
    name = "postgresql"
    shared = True

    def __init__(self, url: str, cloud: Cloud) -> None:
        self.url = url
        self.watched: str | None = None
        self.counting: str | None = None
        self.cloud = cloud
        self.dialect = dialect_module.dialect(paramstyle="format")
        # what SQLAlchemy would ask the server: a backslash in a text is a backslash (LIKE ... ESCAPE)
        self.dialect._backslash_escapes = False
        self.statements = Statements(self.dialect)
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="database")
        self.local = threading.local()
        self.connections: list[PostgresConnection] = []

    def _connection(self) -> PostgresConnection:
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = PostgresConnection(self.url, self.statements)
            self.connections.append(connection)
        return connection

    def now(self, function: Callable, *args) -> Any:
        """A read in the calling thread."""
        connection = self._connection()
        for attempt in range(TRIES):
            try:
                raw = connection.begin(READ, self.watched)
                result = function(Db(connection, self.cloud), *args)
                raw.commit()
                return result
            except psycopg.OperationalError as reason:
                connection.drop()
                self._pause(attempt, reason)
            except BaseException:
                connection.roll_back()
                raise
        raise AssertionError("unreachable")

    def watch(self, seen: str, counted_up: str) -> None:
        """Read a number with every BEGIN (`seen`), and change it as the last statement of the transactions
        that say so (`counted_up`)."""
        self.watched, self.counting = seen, counted_up

    async def read(self, function: Callable, *args) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.now, function, *args)

    async def write(self, function: Callable, *args) -> Any:
        """Run `function(tx, *args)` in a transaction; returns once it is durable. What it raises is
        raised."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self.threads, self._write, function, args)
        result, error, effects = await asyncio.shield(future)
        for effect, values in effects:
            effect(*values)
        if error is not None:
            raise error
        return result

    def write_now(self, function: Callable, *args) -> Any:
        """A transaction in the calling thread, for starting up."""
        result, error, effects = self._write(function, args)
        for effect, values in effects:
            effect(*values)
        if error is not None:
            raise error
        return result

    def written_elsewhere(self) -> bool:
        """Never to be asked for: what others end here is in the epoch that each transaction reads."""
        return False

    def _write(self, function: Callable, args: tuple) -> tuple[Any, BaseException | None, list]:
        connection = self._connection()
        for attempt in range(TRIES):
            error = result = None
            committing = False
            try:
                raw = connection.begin(WRITE, self.watched)
                tx = Tx(connection, self.cloud)
                try:
                    result = function(tx, *args)
                except (
                    psycopg.errors.SerializationFailure,
                    psycopg.errors.DeadlockDetected,
                    psycopg.OperationalError,
                ):
                    raise
                except Exception as reason:
                    error = reason
                if error is not None and not tx.kept:
                    raw.rollback()
                    return None, error, []
                if tx.counts_up and self.counting is not None:
                    raw.execute(self.counting)
                committing = True
                point("db.commit.before")
                raw.commit()
                point("db.commit.after")
                return result, error, tx.effects
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as reason:
                connection.roll_back()
                self._pause(attempt, reason)
            except psycopg.OperationalError as reason:
                connection.drop()
                if committing:
                    words = (
                        "The database went away while this change was being written: it may or may not have "
                        "happened. Look before you try again."
                    )
                    return None, Error(503, "ServiceUnavailable", words), []
                self._pause(attempt, reason)
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, reason: BaseException) -> None:
        if attempt == TRIES - 1:
            if isinstance(reason, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
                raise Error(
                    503, "ServiceUnavailable", "Too many changes of the same thing at once. Try again."
                )
            raise Error(503, "ServiceUnavailable", "The database cannot be reached. Try again.") from reason
        time.sleep(min(0.02 * 2**attempt, 1.0))

    async def notify(self, channel: str, messages: list[str]) -> None:
        """Send messages to whoever listens, now; outside of any transaction."""
        await asyncio.get_running_loop().run_in_executor(self.threads, self._notify, channel, messages)

    def _notify(self, channel: str, messages: list[str]) -> None:
        raw = self._connection().open()
        for message in messages:
            raw.execute("select pg_notify(%s, %s)", (channel, message))

    async def listen(self, channel: str, heard: Callable[[str], None], began: Callable[[], None]) -> None:
        """Call `heard` with each message, for ever; `began` whenever the connection was made (anew)."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self.url, autocommit=True, connect_timeout=5
                )
                async with connection:
                    await connection.execute(f"listen {channel}")
                    began()
                    async for message in connection.notifies():
                        heard(message.payload)
            except psycopg.OperationalError as reason:
                log.warning("the database is not heard: %s", reason)
            await asyncio.sleep(1.0)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Of several processes that start at once one prepares the database at a time."""
        try:
            connection = psycopg.connect(self.url, connect_timeout=5, autocommit=True)
        except psycopg.OperationalError as reason:
            raise ValueError(f"the database cannot be reached: {reason}") from None
        try:
            connection.execute(f"set lock_timeout = '{PREPARE_SECONDS}s'")
            connection.execute("select pg_advisory_lock(%s)", (PREPARING,))
            yield
        except psycopg.errors.LockNotAvailable:
            words = f"another process has been preparing the database for {PREPARE_SECONDS} s"
            raise ValueError(f"{words}: look whether it hangs") from None
        finally:
            connection.close()

    def define(self, statements: list[str]) -> None:
        """Run data definition statements in one transaction."""
        raw = self._connection().open()
        with raw.transaction():
            for statement in statements:
                raw.execute(statement)

    def columns(self) -> dict[str, dict[str, int | None]]:
        """What the database has: table -> names of columns and how many characters they take (indexes under
        the key "index:NAME")."""
        raw = self._connection().open()
        out: dict[str, dict[str, int | None]] = {}
        found = raw.execute(
            "select table_name, column_name, character_maximum_length from information_schema.columns "
            "where table_schema = current_schema()"
        ).fetchall()
        for table, column, width in found:
            out.setdefault(table, {})[column] = width
        for (name,) in raw.execute(
            "select indexname from pg_indexes where schemaname = current_schema()"
        ).fetchall():
            out["index:" + name] = {}
        return out

    def empty(self) -> None:
        """Delete every row of the current schema, for a disposable cloud: quicker than TRUNCATE for few rows.

        What still runs in other threads may hold locks for a moment: a deadlock is answered by another try.
        """
        raw = self._connection().open()
        tables = raw.execute("select tablename from pg_tables where schemaname = current_schema()").fetchall()
        sequences = raw.execute(
            "select sequencename from pg_sequences where schemaname = current_schema()"
        ).fetchall()
        words = ["set local session_replication_role = replica"]
        words += [f'delete from "{name}"' for (name,) in tables]
        words += [f'alter sequence "{name}" restart' for (name,) in sequences]
        for attempt in range(TRIES):
            try:
                with raw.transaction():
                    raw.execute(";".join(words))
                return
            except psycopg.errors.DeadlockDetected as reason:
                self._pause(attempt, reason)

    def close(self) -> None:
        self.threads.shutdown(wait=True)
        for connection in self.connections:
            connection.drop()
