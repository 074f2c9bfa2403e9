"""Lists: filters, sort keys and keyset pages over one table.

A page starts after the marker's own sort values, not at an offset, so rows that come and go never shift a
page. NULLs sort first, on every database alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from monostack.kit.db.rows import Page, clauses, parameters, primary_key, shape


def ordering(table: sa.Table, order: tuple[str, ...]) -> list:
    """Core order clauses; "-name" is descending."""
    out = []
    for name in order:
        column = table.c[name.lstrip("-")]
        out.append(column.desc().nulls_last() if name.startswith("-") else column.asc().nulls_first())
    return out


def page(
    db,
    table: sa.Table,
    request,
    where: dict[str, Any],
    among,
    deleted: bool,
    given: Mapping[str, Any],
    stored: frozenset[str],
) -> Page:
    asked = request.paging
    if not deleted and "live" in table.c and "live" not in where:
        where["live"] = 1
    conditions = request.filters()
    for name, value in conditions.items():
        if name in where and where[name] != value:
            return _empty(asked.limit)
        where[name] = value
    keys = [name.lstrip("-") for name in asked.order]
    order = tuple(asked.order) + tuple(name for name in primary_key(table) if name not in keys)
    marker = None
    if asked.marker is not None:
        marker = request.marker_row(db, table, asked.marker)
    backwards = asked.backwards
    if backwards:
        order = tuple(name[1:] if name.startswith("-") else "-" + name for name in order)
    forms = shape(where)
    nulls = () if marker is None else tuple(marker[name.lstrip("-")] is None for name in order)
    limit = asked.limit

    def build():
        statement = sa.select(table).where(*clauses(table, forms))
        if among is not None:
            statement = statement.where(among)
        if marker is not None:
            statement = statement.where(_after(table, order, nulls))
        statement = statement.order_by(*ordering(table, order))
        return statement if limit is None else statement.limit(sa.bindparam("page_limit", type_=sa.Integer))

    key = ("page", table.name, forms, order, nulls, limit is None, id(among), stored)
    compiled = db.statements.get(key, build, table, stored)
    values = parameters(where) | dict(given)
    if limit is not None:
        values["page_limit"] = limit + 1
    if marker is not None:
        for name in order:
            values["marker_" + name.lstrip("-")] = marker[name.lstrip("-")]
    make = compiled.make
    rows = Page(make(found) for found in db.connection.fetch(compiled.sql, compiled.values(values)))
    rows.limit = limit
    if limit is not None and len(rows) > limit:
        rows.more = True
        del rows[limit:]
    if backwards:
        rows.reverse()
    return rows


def _empty(limit: int | None) -> Page:
    rows = Page()
    rows.limit = limit
    return rows


def _after(table: sa.Table, order: tuple[str, ...], nulls: tuple[bool, ...]):
    """Rows behind the marker: (a > x) or (a = x and b > y) or ..., with NULL before all values."""
    options = []
    for last in range(len(order)):
        parts = []
        for position in range(last + 1):
            name = order[position].lstrip("-")
            column = table.c[name]
            bind = sa.bindparam("marker_" + name, type_=column.type)
            null = nulls[position]
            if position < last:
                parts.append(column.is_(None) if null else column == bind)
            elif order[position].startswith("-"):
                parts.append(sa.false() if null else sa.or_(column < bind, column.is_(None)))
            else:
                parts.append(column.is_not(None) if null else column > bind)
        options.append(sa.and_(*parts))
    return sa.or_(*options)
