"""Rows, conditions, and the compiler from Core statements to what a driver takes.

A condition is a keyword: `name="a"` equals, `name=None` is null, `status=["a", "b"]` is in,
`created_at=gt(x)` and its sisters compare. The shape of the conditions is the key under which the compiled
statement is kept.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.operators import in_op, not_in_op


class Row(dict):
    """One row: a dict that knows its table."""

    __slots__ = ("table",)

    table: sa.Table


Values = dict[str, Any]
"""Values by the names of columns: of any type, for columns are. It is how conditions or changes are declared
that are gathered first and then given as keywords (`**where`)."""


class Page(list):
    """Rows of one page; `more` tells whether others follow, `limit` what was asked for."""

    more: bool = False
    limit: int | None = None


class Taken(Exception):
    """A unique index refused the row."""


class Gone(Exception):
    """The row that was to be changed is not there any more."""


class DiskFull(Exception):
    """The database has no room for the change; nothing of it happened."""


class Condition:
    """A comparison other than equality."""

    __slots__ = ("operator", "value")

    def __init__(self, operator: str, value: Any) -> None:
        self.operator = operator
        self.value = value


def ne(value) -> Condition:
    """Not equal; rows where the column is null count as not equal."""
    return Condition("ne", value)


def gt(value) -> Condition:
    return Condition("gt", value)


def ge(value) -> Condition:
    return Condition("ge", value)


def lt(value) -> Condition:
    return Condition("lt", value)


def le(value) -> Condition:
    return Condition("le", value)


def like(value) -> Condition:
    """SQL LIKE with `%` and `_`; a backslash quotes them."""
    return Condition("like", value)


class Query:
    """A Core statement kept for reuse; compiled once for each database. Parameters are `bindparam` names."""

    __slots__ = ("statement", "table")

    def __init__(self, statement, table: sa.Table | None = None) -> None:
        self.statement = statement
        self.table = table


def query(statement, table: sa.Table | None = None) -> Query:
    """Keep a Core statement; `table` when its rows are whole rows of that table (so that `tx.set` takes
    them)."""
    return Query(statement, table)


def shape(where: Mapping[str, Any]) -> tuple:
    """The part of the conditions that decides the SQL text."""
    out = []
    for name, value in where.items():
        kind = type(value)
        if value is None:
            out.append((name, "null", 0))
        elif kind is list or kind is tuple or kind is set or kind is frozenset:
            out.append((name, "in", _padded(len(value))))
        elif kind is Condition:
            out.append((name, value.operator, 0))
        else:
            out.append((name, "eq", 0))
    return tuple(out)


def _padded(size: int) -> int:
    return 0 if size == 0 else 1 << (size - 1).bit_length()


def clauses(table: sa.Table, forms: tuple, prefix: str = "") -> list:
    """Core clauses for a shape; their parameters are named prefix + column (+ _N for lists)."""
    out = []
    for name, operator, size in forms:
        column = table.c[name]
        if operator == "null":
            out.append(column.is_(None))
        elif operator == "in":
            if size == 0:
                out.append(sa.false())
                continue
            binds = [sa.bindparam(f"{prefix}{name}_{n}", type_=column.type) for n in range(size)]
            out.append(column.in_(binds))
        else:
            bind = sa.bindparam(prefix + name, type_=column.type)
            out.append(_COMPARE[operator](column, bind))
    return out


_COMPARE: dict[str, Callable] = {
    "eq": lambda column, bind: column == bind,
    "ne": lambda column, bind: sa.or_(column != bind, column.is_(None)),
    "gt": lambda column, bind: column > bind,
    "ge": lambda column, bind: column >= bind,
    "lt": lambda column, bind: column < bind,
    "le": lambda column, bind: column <= bind,
    "like": lambda column, bind: column.like(bind, escape="\\"),
}


def parameters(where: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values that go with `clauses` of the same conditions."""
    out = {}
    for name, value in where.items():
        kind = type(value)
        if value is None:
            continue
        if kind is Condition:
            out[prefix + name] = value.value
        elif kind is list or kind is tuple or kind is set or kind is frozenset:
            values = list(value)
            for n in range(_padded(len(values))):
                out[f"{prefix}{name}_{n}"] = values[min(n, len(values) - 1)]
        else:
            out[prefix + name] = value
    return out


class Compiled:
    """A statement as the driver takes it: text, the order of parameters, converters both ways."""

    __slots__ = ("binders", "fixed", "keys", "make", "names", "sql", "table")

    def __init__(
        self, statement, dialect, table: sa.Table | None, stored: frozenset[str] = frozenset()
    ) -> None:
        compiled = visitors.replacement_traverse(statement, {}, _spread).compile(dialect=dialect)
        self.sql = str(compiled)
        self.names = list(compiled.positiontup or ())
        self.fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self.binders = {
            name: processor
            for name, processor in compiled._bind_processors.items()
            if processor is not None and name in self.names and not isinstance(processor, tuple)
        }
        self.table = table
        self.keys: list[str] = []
        self.make: Callable[[tuple], Row] = _no_rows
        if compiled._result_columns:
            self._results(compiled, dialect, stored)

    def _results(self, compiled, dialect, stored: frozenset[str]) -> None:
        self.keys = [column.keyname for column in compiled._result_columns]
        space: dict[str, Any] = {"Row": Row, "table": self.table}
        parts = []
        for index, column in enumerate(compiled._result_columns):
            # drivers give floats as floats; SQLAlchemy would ask for the wire type, which nobody knows here
            number = isinstance(column.type, sa.Float)
            reads = msgspec.Raw if column.keyname in stored else getattr(column.type, "reads", None)
            if reads is not None:
                space[f"p{index}"] = reads
                parts.append(f"{self.keys[index]!r}: None if v[{index}] is None else p{index}(v[{index}])")
                continue
            processor = None if number else column.type.dialect_impl(dialect).result_processor(dialect, None)
            if isinstance(column.type, sa.TypeDecorator) and processor is None:
                processor = column.type.result_processor(dialect, None)
            if processor is None:
                parts.append(f"{self.keys[index]!r}: v[{index}]")
            else:
                space[f"p{index}"] = processor
                parts.append(f"{self.keys[index]!r}: p{index}(v[{index}])")
        source = (
            "def make(v):\n    row = Row({" + ", ".join(parts) + "})\n    row.table = table\n    return row\n"
        )
        exec(source, space)  # names of columns are ours; nothing of a request is in the source
        self.make = space["make"]

    def values(self, given: Mapping[str, Any]) -> tuple:
        """Positional values; raises KeyError when a parameter is missing."""
        fixed, binders = self.fixed, self.binders
        out = []
        for name in self.names:
            value = given[name] if name in given else fixed[name]
            if name in binders:
                value = binders[name](value)
            out.append(value)
        return tuple(out)


def _no_rows(values: tuple) -> Row:
    raise TypeError("the statement changes rows and gives none")


def _spread(element, **_):
    """`column.in_([...])` with its values as parameters of their own, which is what a driver understands."""
    if not isinstance(element, sa.BinaryExpression) or element.operator not in (in_op, not_in_op):
        return None
    values = element.right
    if not isinstance(values, sa.BindParameter) or not values.expanding or values.value is None:
        return None
    binds = [sa.bindparam(None, value, type_=values.type, unique=True) for value in values.value]
    return element.left.in_(binds) if element.operator is in_op else element.left.not_in(binds)


@cache
def primary_key(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key.columns)


def by_key(rows: Iterable[Row], key: str) -> dict[Any, Row]:
    return {row[key]: row for row in rows}
