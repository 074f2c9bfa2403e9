"""Tables, rows and transactions.

SQLAlchemy Core defines tables and statements; each statement is compiled once and then run through the driver
with positional parameters, because Core's own execute costs more than the statement (measured: 10-19 µs
against 3-6). Rows are dicts. Handlers never see a cursor: everything is fetched, so that no forgotten cursor
hides committed rows.
"""

from monostack.kit.db.columns import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    Time,
    Unique,
    due,
    live,
    stamps,
)
from monostack.kit.db.rows import Gone, Page, Row, Taken, Values, ge, gt, le, like, lt, ne, query
from monostack.kit.db.tx import Db, Tx

__all__ = [
    "JSON",
    "BigInteger",
    "Boolean",
    "Column",
    "Db",
    "Float",
    "ForeignKey",
    "Gone",
    "Index",
    "Integer",
    "Page",
    "Row",
    "String",
    "Table",
    "Taken",
    "Text",
    "Time",
    "Tx",
    "Unique",
    "Values",
    "due",
    "ge",
    "gt",
    "le",
    "like",
    "live",
    "lt",
    "ne",
    "query",
    "stamps",
]
