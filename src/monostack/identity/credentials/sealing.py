"""Secrets that must be read again are sealed before they are stored; and sealed anew, so that an old key may
be thrown away.

Columns called `sealed_...` hold what the credential keys sealed. A rotation keeps the key before, and no
more; so before the next one everything must be sealed with the primary key, which each row tells by itself:
the primary key alone opens it. No mark is kept that could be wrong.

Source: identity's administration guide, "Credential encryption"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from monostack.identity.tokens.keys import Keys
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud

PREFIX = "sealed_"
ACTIVE_KEYS = 3
"""The staged key, the primary one and the one before."""
AT_ONCE = 200


@dataclass(frozen=True)
class Standing:
    """How many values the primary key opens, how many only an older one, and how many none (they are
    lost)."""

    current: int = 0
    older: int = 0
    lost: int = 0


def seal(db: Db, text: str) -> str:
    """The text as it may be stored, in a column called `sealed_...`."""
    return db.cloud.identity.credential_keys.seal(text.encode(), int(db.cloud.clock.time()))


def unseal(cloud: Cloud, sealed: str) -> str:
    """The text again; raises Error 500 where its key is gone."""
    data = cloud.identity.credential_keys.unseal(sealed)
    if data is None:
        raise Error(
            500,
            "CredentialEncryptionError",
            "The credential cannot be read: its key is not in credential-keys.",
        )
    return data.decode()


def standing(db: Db, tables: Iterable, keys: Keys) -> Standing:
    """How the sealed values of the tables stand."""
    counts = {"current": 0, "older": 0, "lost": 0}
    for row, column in _sealed(db, tables):
        counts[_state(keys, row[column])] += 1
    return Standing(**counts)


def migrate(engine, tables: Iterable, keys: Keys) -> int:
    """Seal anew what an older key sealed, a few values a transaction; how many. A crash leaves the rest,
    and a value that changed meanwhile is left as it then was."""
    keys.look_again()
    older = engine.now(_older, tuple(tables), keys)
    for start in range(0, len(older), AT_ONCE):
        engine.write_now(_anew, older[start : start + AT_ONCE], keys)
    return len(older)


def _older(db: Db, tables: Iterable, keys: Keys) -> list[tuple[Row, str]]:
    return [(row, column) for row, column in _sealed(db, tables) if _state(keys, row[column]) == "older"]


def _anew(tx: Tx, older: list[tuple[Row, str]], keys: Keys) -> None:
    for row, column in older:
        data = keys.unseal(row[column])
        if data is None:
            continue  # its key was taken away meanwhile
        values: Values = {column: keys.seal(data, int(tx.cloud.clock.time()))}
        tx.update(row.table, _named(row) | {column: row[column]}, **values)


def _named(row: Row) -> dict:
    return {column.name: row[column.name] for column in row.table.primary_key.columns}


def _sealed(db: Db, tables: Iterable[sa.Table]) -> Iterator[tuple[Row, str]]:
    for table in tables:
        columns = [column.name for column in table.c if column.name.startswith(PREFIX)]
        for row in db.all(table) if columns else ():
            yield from ((row, column) for column in columns if row[column] is not None)


def _state(keys: Keys, value: str) -> str:
    if keys.sealed_lately(value):
        return "current"
    return "lost" if keys.unseal(value) is None else "older"
