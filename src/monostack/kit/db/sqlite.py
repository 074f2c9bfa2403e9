"""SQLite with group commit.

One connection writes, another reads; both are used from the event loop's thread. Write handlers wait in a
queue and run in batches of at most 5 ms, a savepoint each; COMMIT (an fsync) runs in a thread while the next
batch gathers. Nobody is answered before the commit that holds his rows.

What goes wrong in a batch must not touch the neighbours: SQLite rolls the WHOLE transaction back on a full
disk, an interrupt or a conflict clause, so `in_transaction` is looked at after every handler, and when the
batch is lost each handler is run again alone. A COMMIT that fails without saying whether it happened ends the
process: the next start reads the truth from the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite import pysqlite

from monostack.kit.crash import point
from monostack.kit.db.rows import DiskFull, Taken
from monostack.kit.db.tx import Db, Statements, Tx
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud

BATCH_SECONDS = 0.005
SLOW_SECONDS = 0.005
PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "foreign_keys=on",
    "temp_store=memory",
    "busy_timeout=10000",
    "cache_size=-8000",
)
CERTAINLY_NOT_COMMITTED = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
)

log = logging.getLogger(__name__)


class SqliteConnection:
    """One connection in autocommit mode; transactions are opened by hand."""

    epoch: int | None = None

    def __init__(self, path: str, statements: Statements) -> None:
        self.statements = statements
        self.raw = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=1000
        )
        for pragma in PRAGMAS:
            self.raw.execute("pragma " + pragma).fetchall()
        self.raw.create_function("regexp", 2, _matches, deterministic=True)

    def fetch(self, sql: str, values: tuple) -> list[tuple]:
        try:
            return self.raw.execute(sql, values).fetchall()
        except sqlite3.IntegrityError as reason:
            raise _translated(reason) from reason
        except OverflowError as reason:
            raise Error(400, "BadRequest", "A number is larger than can be kept.") from reason

    def change(self, sql: str, values: tuple) -> int:
        try:
            return self.raw.execute(sql, values).rowcount
        except sqlite3.IntegrityError as reason:
            raise _translated(reason) from reason
        except OverflowError as reason:
            raise Error(400, "BadRequest", "A number is larger than can be kept.") from reason

    def command(self, sql: str) -> None:
        self.raw.execute(sql)

    def undo(self, savepoint: str) -> None:
        """Undo to a savepoint; raises Lost when the whole transaction is gone already."""
        if not self.raw.in_transaction:
            raise Lost("the transaction was rolled back by the database")
        self.raw.execute(f"ROLLBACK TO SAVEPOINT {savepoint}")
        self.raw.execute(f"RELEASE SAVEPOINT {savepoint}")


def _matches(pattern: str, text: str | None) -> bool:
    """SQL's REGEXP, which SQLite leaves to its user."""
    return text is not None and re.search(pattern, text) is not None


def _translated(reason: sqlite3.IntegrityError) -> Exception:
    if reason.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return Taken(str(reason))
    return reason


class Lost(Exception):
    """The database rolled the whole batch back under a handler."""


class Work:
    """A write handler, and what came of it."""

    __slots__ = ("args", "effects", "error", "function", "result")

    def __init__(self, function: Callable, args: tuple) -> None:
        self.function, self.args = function, args
        self.result: Any = None
        self.error: BaseException | None = None
        self.effects: list = []


class Item(Work):
    """A write handler in the queue, for which somebody waits."""

    __slots__ = ("future",)

    def __init__(self, function: Callable, args: tuple, future: asyncio.Future) -> None:
        super().__init__(function, args)
        self.future = future


class SqliteEngine:
    name = "sqlite"
    shared = False

    def __init__(self, path: str, cloud: Cloud) -> None:
        self.path = path
        self.cloud = cloud
        self.dialect = pysqlite.dialect(paramstyle="qmark")
        self.statements = Statements(self.dialect)
        self.writer = SqliteConnection(path, self.statements)
        self.reader = SqliteConnection(path, self.statements)
        self.queue: deque[Item] = deque()
        self.busy = False
        self.committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self.closed = False
        self.data_version: int | None = None

    # reading

    def now(self, function: Callable, *args) -> Any:
        """Run a read at once, over one snapshot."""
        raw = self.reader.raw
        raw.execute("BEGIN")
        try:
            return function(Db(self.reader, self.cloud), *args)
        finally:
            if raw.in_transaction:
                raw.execute("COMMIT")

    async def read(self, function: Callable, *args) -> Any:
        return self.now(function, *args)

    # writing

    async def write(self, function: Callable, *args) -> Any:
        """Run `function(tx, *args)` in a transaction; returns once it is durable. What it raises is
        raised."""
        if self.closed:
            raise RuntimeError("the database is closed")
        loop = asyncio.get_running_loop()
        item = Item(function, args, loop.create_future())
        self.queue.append(item)
        if not self.busy:
            self.busy = True
            loop.call_soon(self._batch)
        # a caller that goes away must not tear its neighbours' batch: the write happens either way
        return await asyncio.shield(item.future)

    def write_now(self, function: Callable, *args) -> Any:
        """A transaction without an event loop, for starting up."""
        item = Work(function, args)
        self.writer.raw.execute("BEGIN IMMEDIATE")
        try:
            self._run(item, alone=True)
        except Lost as lost:
            raise lost.__cause__ or lost from None
        if item.error is not None:
            self.writer.raw.execute("ROLLBACK")
            raise item.error
        self.writer.raw.execute("COMMIT")
        for effect, args in item.effects:
            effect(*args)
        return item.result

    def written_elsewhere(self) -> bool:
        """Whether another process has written since the last look: an operator's command, beside the
        cloud."""
        if self.busy:
            return False  # the connection is in use: at the next look
        version = self.writer.raw.execute("pragma data_version").fetchone()[0]
        known, self.data_version = self.data_version, version
        return known not in (None, version)

    def _batch(self) -> None:
        items: list[Item] = []
        raw = self.writer.raw
        try:
            raw.execute("BEGIN IMMEDIATE")
            started = time.perf_counter()
            while self.queue and time.perf_counter() - started < BATCH_SECONDS:
                item = self.queue.popleft()
                items.append(item)
                self._run(item, alone=len(items) == 1 and not self.queue)
        except (Lost, sqlite3.Error) as reason:
            self._roll_back()
            if not items:
                items = list(self.queue)
                self.queue.clear()
                self._fail(items, reason)
                self._next()
                return
            self._replay(items, reason)
            return
        if len(items) == 1 and items[0].error is not None and not raw.in_transaction:
            self._answer(items)
            self._next()
            return
        point("db.commit.before")
        future = asyncio.get_running_loop().run_in_executor(self.committer, raw.execute, "COMMIT")
        future.add_done_callback(lambda done: self._committed(items, done))

    def _run(self, item: Work, alone: bool) -> None:
        """Run one handler in the open transaction. Raises Lost when the whole transaction is gone."""
        raw = self.writer.raw
        tx = Tx(self.writer, self.cloud)
        if not alone:
            raw.execute("SAVEPOINT handler")
        started = time.perf_counter()
        try:
            item.result = item.function(tx, *item.args)
        except Exception as reason:
            if not raw.in_transaction:
                raise Lost(str(reason)) from reason
            item.error = reason
            if not tx.kept:
                tx.effects = []
                if alone and isinstance(item, Item):
                    raw.execute("ROLLBACK")
                    return
                if not alone:
                    raw.execute("ROLLBACK TO SAVEPOINT handler")
        if not raw.in_transaction:
            raise Lost("the transaction was rolled back by the database")
        if not alone:
            raw.execute("RELEASE SAVEPOINT handler")
        item.effects = tx.effects
        took = time.perf_counter() - started
        if took > SLOW_SECONDS:
            log.info("write handler %s took %.1f ms", _name(item), took * 1000)

    def _committed(self, items: list[Item], done) -> None:
        reason = done.exception()
        if reason is None:
            point("db.commit.after")
            self._answer(items)
            self._next()
            return
        if self.writer.raw.in_transaction:
            self._roll_back()
        elif not isinstance(reason, sqlite3.Error) or _code(reason) not in CERTAINLY_NOT_COMMITTED:
            print(
                f"monostack: COMMIT failed and nobody can tell whether it happened ({reason}). "
                "The process ends; start it again.",
                file=sys.stderr,
                flush=True,
            )
            os._exit(70)
        self._replay(items, reason)

    def _replay(self, items: list[Item], reason: BaseException) -> None:
        """Each handler of a lost batch again, alone, each with its own commit."""
        if len(items) == 1:
            self._fail(items, reason.__cause__ or reason)
        for item in items if len(items) > 1 else ():
            item.result = item.error = None
            item.effects = []
            try:
                self.writer.raw.execute("BEGIN IMMEDIATE")
                self._run(item, alone=True)
                if self.writer.raw.in_transaction:
                    self.writer.raw.execute("COMMIT")
            except (Lost, sqlite3.Error) as again:
                self._roll_back()
                self._fail([item], again.__cause__ or again)
            else:
                self._answer([item])
        self._next()

    def _roll_back(self) -> None:
        if self.writer.raw.in_transaction:
            self.writer.raw.execute("ROLLBACK")

    def _answer(self, items: list[Item]) -> None:
        for item in items:
            for effect, args in item.effects:
                effect(*args)
            if item.future.cancelled():
                continue
            if item.error is not None:
                item.future.set_exception(item.error)
            else:
                item.future.set_result(item.result)

    def _fail(self, items: list[Item], reason: BaseException) -> None:
        if isinstance(reason, sqlite3.OperationalError) and _code(reason) == sqlite3.SQLITE_FULL:
            reason = DiskFull(str(reason))
        for item in items:
            if not item.future.done():
                item.future.set_exception(reason)

    def _next(self) -> None:
        if self.queue:
            asyncio.get_running_loop().call_soon(self._batch)
        else:
            self.busy = False

    # life

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """One process holds the file: there is nobody to wait for."""
        yield

    def define(self, statements: list[str]) -> None:
        """Run data definition statements in one transaction."""
        raw = self.writer.raw
        raw.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                raw.execute(statement)
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise

    def columns(self) -> dict[str, dict[str, int | None]]:
        """What the database has: table -> names of columns (indexes under the key "index:NAME"). None of them
        has a width that SQLite minds."""
        raw = self.reader.raw
        out: dict[str, dict[str, int | None]] = {}
        for kind, name in raw.execute(
            "select type, name from sqlite_master where name not like 'sqlite_%'"
        ).fetchall():
            if kind == "table":
                rows = raw.execute(f'pragma table_info("{name}")').fetchall()
                out[name] = dict.fromkeys(row[1] for row in rows)
            elif kind == "index":
                out["index:" + name] = {}
        return out

    def reopen(self, template: str | os.PathLike) -> None:
        """Replace the database by a copy of a file; for a disposable cloud. Nothing may be under way."""
        self.reader.raw.close()
        self.writer.raw.close()
        for suffix in ("-wal", "-shm"):
            Path(str(self.path) + suffix).unlink(missing_ok=True)
        shutil.copyfile(template, self.path)
        self.writer = SqliteConnection(self.path, self.statements)
        self.reader = SqliteConnection(self.path, self.statements)

    def limit(self, pages: int | None) -> None:
        """Let the database grow by so many pages and no further (None: without end), as a full disk would."""
        raw = self.writer.raw
        size = raw.execute("pragma page_count").fetchone()[0]
        most = 4_294_967_294 if pages is None else size + pages
        raw.execute(f"pragma max_page_count={most}").fetchall()

    def close(self) -> None:
        """Wait for the running commit, then close."""
        self.closed = True
        self.committer.shutdown(wait=True)
        self._fail(list(self.queue), RuntimeError("the cloud is stopping"))
        self.reader.raw.close()
        self.writer.raw.close()


def _name(item: Work) -> str:
    handler = item.args[0] if item.args and callable(item.args[0]) else item.function
    handler = getattr(handler, "func", handler)
    return f"{getattr(handler, '__module__', '')}.{getattr(handler, '__qualname__', type(handler).__name__)}"


def _code(reason: sqlite3.Error) -> int:
    return getattr(reason, "sqlite_errorcode", -1) & 0xFF
