"""Column types and the columns that many tables share.

Only what SQLite, PostgreSQL and MariaDB all do is used: no partial index (a unique index over a `live` column
does its work: NULL in deleted rows), no deferred foreign key. Booleans are integers 0/1, times and JSON are
text, on every database alike, so a row reads the same everywhere.
"""

import operator

import msgspec
import sqlalchemy as sa
from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, Text

from monostack.kit import ids

METADATA = sa.MetaData()

Unique = sa.UniqueConstraint


class Boolean(sa.TypeDecorator):
    """True and False in Python, 1 and 0 in every database.

    `reads`, here and below, is what turns a value that is not null into Python's, without SQLAlchemy's own
    layers: a list of a thousand rows calls it ten thousand times.
    """

    impl = sa.SmallInteger
    cache_ok = True
    reads = operator.truth

    def process_bind_param(self, value, dialect):
        return None if value is None else int(value)

    def process_result_value(self, value, dialect):
        return None if value is None else value == 1


class JSON(sa.TypeDecorator):
    """Any JSON value, kept as text. A stored value must never be changed in place: set a new one."""

    impl = sa.Text
    cache_ok = True
    reads = msgspec.json.Decoder().decode

    def process_bind_param(self, value, dialect):
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value, dialect):
        return None if value is None else msgspec.json.decode(value)


class Time(sa.TypeDecorator):
    """A moment as `monostack.kit.clock` spells it."""

    impl = sa.String(26)
    cache_ok = True


def Column(name: str, type_, *args, nullable: bool = True, **options) -> sa.Column:  # noqa: N802 - the field's word
    """A column; nullable unless said otherwise, so that a later program can add one to a living database."""
    return sa.Column(name, type_, *args, nullable=nullable, **options)


def Table(name: str, *parts, id=ids.new_uuid) -> sa.Table:  # noqa: N802, A002 - the field's word
    """A table with an `id` primary key made by `id()`, unless a column among the parts is the primary key."""
    if not any(isinstance(part, sa.Column) and part.primary_key for part in parts):
        parts = (sa.Column("id", String(64), primary_key=True, default=id), *parts)
    return sa.Table(name, METADATA, *parts)


def stamps() -> tuple[sa.Column, ...]:
    """created_at and updated_at; the transaction fills them in."""
    return (Column("created_at", Time), Column("updated_at", Time))


def live() -> tuple[sa.Column, ...] | sa.Column:
    """A row that stays after delete: live is 1, and NULL once deleted. Put it into unique indexes."""
    return Column("live", Integer, default=lambda: 1)


def due() -> tuple[sa.Column, ...]:
    """What a loop needs of a row: when to look next (NULL: settled), how often it failed, and the last
    cause."""
    return (
        Column("due_at", Time, index=True),
        Column("attempts", Integer, default=lambda: 0),
        Column("cause", Text),
    )


__all__ = [
    "JSON",
    "METADATA",
    "BigInteger",
    "Boolean",
    "Column",
    "Float",
    "ForeignKey",
    "Index",
    "Integer",
    "String",
    "Table",
    "Text",
    "Time",
    "Unique",
    "due",
    "live",
    "stamps",
]
