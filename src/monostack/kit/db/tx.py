"""What a handler holds: `Db` reads one snapshot, `Tx` is one transaction.

A `Tx` is pure: nothing but rows changes inside it, and effects (wake a loop, drop a cache) are told to
`after`, so that the engine may run the same handler again when the database asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, overload

import sqlalchemy as sa
from sqlalchemy.sql import schema

from monostack.kit.db import paging
from monostack.kit.db.rows import (
    Compiled,
    Gone,
    Page,
    Query,
    Row,
    Taken,
    Values,
    clauses,
    parameters,
    primary_key,
    shape,
)

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.db.engine import Connection


@cache
def newborn(table: sa.Table) -> tuple[dict[str, None], tuple[tuple[str, Callable], ...]]:
    """What a new row of the table is before anything is said of it: all columns, and (name, tx -> value) of
    those that fill themselves."""
    defaults: list[tuple[str, Callable]] = []
    for column in table.columns:
        if column.name == "created_at" or (column.name == "updated_at" and table.info.get("stamp_updated")):
            defaults.append((column.name, lambda tx: tx.now))
        elif column.name == "updated_at":
            defaults.append((column.name, lambda tx: None))
        elif column.default is not None:
            defaults.append((column.name, _default(column.default)))
    return dict.fromkeys(column.name for column in table.columns), tuple(defaults)


def _default(default: schema.DefaultGenerator) -> Callable[[Any], Any]:
    if isinstance(default, schema.CallableColumnDefault):
        make: Callable[[Any], Any] = default.arg
        return lambda tx: make(None)
    if isinstance(default, schema.ScalarElementColumnDefault):
        value = default.arg
        return lambda tx: value
    raise TypeError(f"{default!r} is a default of the database, and defaults are made here")


class Statements:
    """Compiled statements of one database, by shape. Shapes come from code and Fields, so there are few
    hundred."""

    def __init__(self, dialect) -> None:
        self.dialect = dialect
        self._kept: dict[Any, Compiled] = {}

    def get(
        self,
        key: Any,
        build: Callable[[], Any],
        table: sa.Table | None = None,
        stored: frozenset[str] = frozenset(),
    ) -> Compiled:
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Compiled(build(), self.dialect, table, stored)
        return found


class Db:
    """A snapshot to read from."""

    writes = False

    def __init__(self, connection: Connection, cloud: Cloud) -> None:
        self.connection = connection
        self.cloud = cloud
        self.statements = connection.statements
        self._now: str | None = None

    @property
    def now(self) -> str:
        """The moment of this snapshot or transaction, the same for as long as it lasts."""
        if self._now is None:
            self._now = self.cloud.clock.now()
        return self._now

    @property
    def epoch(self) -> int:
        """How often tokens were ended, as this snapshot has it; see `monostack.kit.auth`."""
        seen = self.connection.epoch
        return self.cloud.auth.epoch if seen is None else seen

    def run(self, statement: Query, /, **values) -> list[Row]:
        """Rows of a kept statement."""
        compiled = self.statements.get(statement, lambda: statement.statement, statement.table)
        make = compiled.make
        return [make(found) for found in self.connection.fetch(compiled.sql, compiled.values(values))]

    def tuples(self, statement: Query, /, **values) -> list[tuple]:
        """Rows of a kept statement as the driver gives them: for long lists that are compared, not shown."""
        compiled = self.statements.get(statement, lambda: statement.statement, statement.table)
        return self.connection.fetch(compiled.sql, compiled.values(values))

    def first(self, statement: Query, /, **values) -> Row | None:
        """The first row of a kept statement."""
        rows = self.run(statement, **values)
        return rows[0] if rows else None

    def value(self, statement: Query, /, **values) -> Any:
        """The one value of a kept statement such as a count."""
        compiled = self.statements.get(statement, lambda: statement.statement, statement.table)
        rows = self.connection.fetch(compiled.sql, compiled.values(values))
        return rows[0][0] if rows else None

    def values(self, statement: Query, /, **values) -> list:
        """The first column of a kept statement's rows, for long lists of names or addresses."""
        compiled = self.statements.get(statement, lambda: statement.statement, statement.table)
        return [found[0] for found in self.connection.fetch(compiled.sql, compiled.values(values))]

    @overload
    def one(
        self,
        table: sa.Table,
        /,
        *,
        missing: None = None,
        lock: bool | None = None,
        deleted: bool = False,
        **where: Any,
    ) -> Row | None: ...

    @overload
    def one(
        self,
        table: sa.Table,
        /,
        *,
        missing: Exception,
        lock: bool | None = None,
        deleted: bool = False,
        **where: Any,
    ) -> Row: ...

    def one(
        self,
        table: sa.Table,
        /,
        *,
        missing: Exception | None = None,
        lock: bool | None = None,
        deleted: bool = False,
        **where,
    ) -> Row | None:
        """The row that fulfils the conditions; None, or `missing` raised, when there is none.

        In a transaction the row is locked until its end, where the database has row locks; `lock=False` for
        rows that are only looked up.
        """
        if not deleted and "live" in table.c and "live" not in where:
            where["live"] = 1
        forms = shape(where)
        locked = self.writes if lock is None else lock and self.writes

        def build():
            statement = sa.select(table).where(*clauses(table, forms)).limit(1)
            return statement.with_for_update() if locked else statement

        compiled = self.statements.get(("one", table.name, forms, locked), build, table)
        rows = self.connection.fetch(compiled.sql, compiled.values(parameters(where)))
        if rows:
            return compiled.make(rows[0])
        if missing is not None:
            raise missing
        return None

    def the(self, table: sa.Table, /, *, lock: bool | None = None, **where: Any) -> Row:
        """The row that another one says is there, as `one` finds it; raises Gone when it was deleted
        meanwhile."""
        row = self.one(table, lock=lock, **where)
        if row is None:
            raise Gone(table.name)
        return row

    def all(
        self,
        table: sa.Table,
        /,
        *,
        order: str | tuple[str, ...] = (),
        limit: int | None = None,
        deleted: bool = False,
        lock: bool = False,
        **where,
    ) -> list[Row]:
        """All rows that fulfil the conditions; `order` names columns, "-column" is descending."""
        if not deleted and "live" in table.c and "live" not in where:
            where["live"] = 1
        if isinstance(order, str):
            order = (order,)
        forms = shape(where)
        locked = lock and self.writes

        def build():
            statement = (
                sa.select(table).where(*clauses(table, forms)).order_by(*paging.ordering(table, order))
            )
            if limit is not None:
                statement = statement.limit(limit)
            return statement.with_for_update() if locked else statement

        compiled = self.statements.get(("all", table.name, forms, order, limit, locked), build, table)
        make = compiled.make
        return [
            make(found) for found in self.connection.fetch(compiled.sql, compiled.values(parameters(where)))
        ]

    def count(self, table: sa.Table, /, *, total: str | None = None, deleted: bool = False, **where) -> int:
        """How many rows fulfil the conditions, or the sum of the column `total` over them."""
        if not deleted and "live" in table.c and "live" not in where:
            where["live"] = 1
        forms = shape(where)

        def build():
            what = sa.func.count() if total is None else sa.func.coalesce(sa.func.sum(table.c[total]), 0)
            return sa.select(what).select_from(table).where(*clauses(table, forms))

        compiled = self.statements.get(("count", table.name, forms, total), build)
        return int(self.connection.fetch(compiled.sql, compiled.values(parameters(where)))[0][0])

    def page(
        self,
        table: sa.Table,
        request,
        /,
        *,
        among=None,
        values: Mapping[str, Any] | None = None,
        deleted: bool = False,
        stored: frozenset[str] = frozenset(),
        **where,
    ) -> Page:
        """One page of what a list request asks for: its filters, sort keys, limit and marker, over the
        conditions.

        `among` is a Core condition on the table for what keywords cannot say; it must be a kept object (it is
        part of the key of the compiled statement by identity) and carry no values of its own, only bindparams
        that `values` fills in. `stored` names JSON columns that are shown as they are kept: their text goes
        into the answer and is never read, which a list of a thousand rows is faster by. Raises Error 400 when
        the marker or a sort key is unknown.
        """
        return paging.page(self, table, request, where, among, deleted, values or {}, stored)

    def allowed(self, *_: Any) -> None:
        raise TypeError("ask request.allowed(rule, target)")


class Tx(Db):
    """One transaction."""

    writes = True

    def __init__(self, connection: Connection, cloud: Cloud) -> None:
        super().__init__(connection, cloud)
        self.effects: list[tuple[Callable, tuple]] = []
        self.kept = False
        self.counts_up = False
        self._depth = 0

    def execute(self, statement: Query, /, **values) -> int:
        """Run a kept INSERT, UPDATE or DELETE; the count of rows it touched."""
        compiled = self.statements.get(statement, lambda: statement.statement, statement.table)
        return self.connection.change(compiled.sql, compiled.values(values))

    def insert(self, table: sa.Table, /, *, taken: Exception | None = None, **values) -> Row:
        """Add a row; defaults and stamps are filled in. `taken` is raised when a unique index refuses it."""
        blank, defaults = newborn(table)
        for name, default in defaults:
            if name not in values:
                values[name] = default(self)
        names = tuple(values)
        serial = table.autoincrement_column
        if serial is not None and serial.name in values:
            serial = None

        def build():
            statement = sa.insert(table).values(
                {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
            )
            return statement if serial is None else statement.returning(serial)

        compiled = self.statements.get(("insert", table.name, names), build)
        try:
            if serial is not None:
                values[serial.name] = self.connection.fetch(compiled.sql, compiled.values(values))[0][0]
            else:
                self.connection.change(compiled.sql, compiled.values(values))
        except Taken:
            if taken is not None:
                raise taken from None
            raise
        row = Row(blank)
        row.update(values)
        row.table = table
        return row

    def set(
        self, row: Row, /, when: Mapping[str, Any] | None = None, *, taken: Exception | None = None, **values
    ) -> bool:
        """Change columns of a row, in the database and in the dict.

        With `when` the change happens only if the conditions still hold (an optimistic check in one
        statement), and False tells that they do not. Without, a row that has vanished raises Gone.
        """
        table = row.table
        if "updated_at" in table.c and "updated_at" not in values:
            values["updated_at"] = self.now
        if not values and when is None:
            return True
        where = {name: row[name] for name in primary_key(table)}
        if when:
            where.update(when)
        changed = self._update(table, where, values, taken)
        if changed:
            row.update(values)
            return True
        if when is None:
            raise Gone(f"{table.name} {row.get('id')}")
        return False

    def update(
        self, table: sa.Table, where: Mapping[str, Any], /, *, taken: Exception | None = None, **values
    ) -> int:
        """Change columns of all rows that fulfil the conditions; the count of rows."""
        if "updated_at" in table.c and "updated_at" not in values:
            values["updated_at"] = self.now
        return self._update(table, where, values, taken)

    def _update(self, table, where, values, taken) -> int:
        forms, names = shape(where), tuple(values)

        def build():
            new = {name: sa.bindparam("new_" + name, type_=table.c[name].type) for name in names}
            return sa.update(table).where(*clauses(table, forms)).values(new)

        compiled = self.statements.get(("update", table.name, forms, names), build)
        given = parameters(where)
        for name, value in values.items():
            given["new_" + name] = value
        try:
            return self.connection.change(compiled.sql, compiled.values(given))
        except Taken:
            if taken is not None:
                raise taken from None
            raise

    def delete(self, row: Row) -> None:
        """Delete a row; in a table with a `live` column it stays, marked."""
        table = row.table
        if "live" in table.c:
            values: Values = {"live": None} | ({"deleted_at": self.now} if "deleted_at" in table.c else {})
            self.set(row, **values)
            return
        self.delete_all(table, **{name: row[name] for name in primary_key(table)})

    def delete_all(self, table: sa.Table, /, **where) -> int:
        """Delete all rows that fulfil the conditions, for good; the count of rows."""
        forms = shape(where)
        compiled = self.statements.get(
            ("delete", table.name, forms), lambda: sa.delete(table).where(*clauses(table, forms))
        )
        return self.connection.change(compiled.sql, compiled.values(parameters(where)))

    @contextmanager
    def nested(self) -> Iterator[None]:
        """A part of the transaction that is undone alone when it raises."""
        self._depth += 1
        name = f"nested_{self._depth}"
        effects = len(self.effects)
        self.connection.command(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.connection.undo(name)
            del self.effects[effects:]
            raise
        else:
            self.connection.command(f"RELEASE SAVEPOINT {name}")
        finally:
            self._depth -= 1

    def after(self, function: Callable, *args) -> None:
        """Call the function once the transaction is durable, on the event loop's thread. Never on a
        rollback."""
        self.effects.append((function, args))

    def keep(self) -> None:
        """Commit even if the handler raises an Error afterwards (a failed login must be counted)."""
        self.kept = True

    def ends_tokens(self) -> None:
        """This change may make a token wrong, or what its holder is told: whatever is kept of callers, in any
        process, does not count for a request that begins after it was answered."""
        self.counts_up = True
        self.after(self.cloud.auth.forget)

    def wake(self, loop: str) -> None:
        """Hint to a loop that one of its rows is due. Losing the hint costs a poll interval."""
        self.after(self.cloud.loops.wake, loop)

    def wake_host(self, host: str | None, *parts: tuple[str, str]) -> None:
        """Hint to a host's agent that these parts (kind, id) changed."""
        if host is not None:
            self.after(self.cloud.hub.wake, host, parts)

    def hook(self, name: str, *args, **details) -> list:
        """Let the services above take part in this transaction; see `monostack.kit.hooks`."""
        return self.cloud.hooks.run(name, self, *args, **details)

    def event(self, kind: str, resource_id: str | None, **details) -> None:
        """Record what happened to a resource; see `monostack.kit.events.record` for the details."""
        from monostack.kit import events

        events.record(self, kind, resource_id, **details)
