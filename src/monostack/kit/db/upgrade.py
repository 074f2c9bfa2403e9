"""The schema: what the program's tables need and the database lacks.

Expanding (a new table, a nullable column, a wider one, an index) is found by comparing, so no hand-written
step can be forgotten, and it is safe while an older program still runs. Contracting is never automatic:
`CONTRACT` lists statements with the schema number from which no living program needs the old form.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

CONTRACT: tuple[tuple[int, str], ...] = ()


def missing(engine, tables) -> list[str]:
    """The statements that would bring the database to what the tables declare; empty when it is there."""
    have = engine.columns()
    dialect = engine.dialect
    out: list[str] = []
    for table in sa.sql.ddl.sort_tables(tables):
        if table.name not in have:
            out.append(str(CreateTable(table).compile(dialect=dialect)))
        else:
            for column in table.columns:
                if column.name not in have[table.name]:
                    text = str(CreateColumn(column).compile(dialect=dialect))
                    out.append(f'ALTER TABLE "{table.name}" ADD COLUMN {text}')
                elif (have[table.name][column.name] or 0) in range(1, _width(column)):
                    kind = column.type.compile(dialect=dialect)
                    out.append(f'ALTER TABLE "{table.name}" ALTER COLUMN "{column.name}" TYPE {kind}')
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if f"index:{index.name}" not in have:
                out.append(str(CreateIndex(index).compile(dialect=dialect)))
    return out


def _width(column: sa.Column) -> int:
    """How many characters a column must take; 0 for what has no such measure."""
    return getattr(column.type, "length", None) or 0


def expand(engine, tables) -> int:
    """Bring the database to what the tables declare; the count of statements run."""
    statements = missing(engine, tables)
    if statements:
        engine.define(statements)
    return len(statements)
