"""The commit engine under its killers: what one bad request may do to its neighbours in a batch."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from monostack.kit import crash
from monostack.kit.clock import Clock
from monostack.kit.db import (
    JSON,
    Boolean,
    Column,
    Integer,
    String,
    Table,
    Taken,
    Text,
    Unique,
    gt,
    ne,
    query,
    stamps,
)
from monostack.kit.db.columns import METADATA
from monostack.kit.db.postgresql import PostgresEngine
from monostack.kit.db.rows import DiskFull
from monostack.kit.db.sqlite import SqliteEngine
from monostack.kit.db.upgrade import expand, missing
from monostack.kit.errors import Error

THINGS = Table(
    "test_things",
    Column("name", String(64)),
    Column("size", Integer, default=lambda: 0),
    Column("good", Boolean),
    Column("facts", JSON),
    Column("text", Text),
    *stamps(),
    Unique("name"),
)
NAMES = query(sa.select(THINGS.c.name).order_by(THINGS.c.name))


@pytest.fixture
def engine(tmp_path):
    cloud = SimpleNamespace(clock=Clock(), loops=None, hub=None, hooks=None)
    engine = SqliteEngine(str(tmp_path / "a.db"), cloud)
    cloud.engine = engine
    expand(engine, [THINGS])
    yield engine
    engine.close()


def add(tx, name: str, **values):
    return tx.insert(THINGS, name=name, **values)


def names(db) -> list[str]:
    return [row["name"] for row in db.run(NAMES)]


async def together(engine, *functions):
    """All in one batch: they are queued before the batch begins."""
    return await asyncio.gather(*(engine.write(function) for function in functions), return_exceptions=True)


async def test_what_is_answered_is_in_the_file(engine, tmp_path):
    await engine.write(lambda tx: add(tx, "a", good=True, facts={"x": [1]}))
    row = await engine.read(lambda db: db.one(THINGS, name="a"))
    assert (row["good"], row["facts"], row["size"]) == (True, {"x": [1]}, 0)
    other = sqlite3.connect(tmp_path / "a.db")
    assert other.execute("select name from test_things").fetchall() == [("a",)]


async def test_a_refusal_leaves_its_neighbours_alone(engine):
    def refuse(tx):
        add(tx, "half")
        raise Error(409, "Conflict", "no")

    results = await together(engine, lambda tx: add(tx, "a"), refuse, lambda tx: add(tx, "b"))
    assert isinstance(results[1], Error)
    assert await engine.read(names) == ["a", "b"]


async def test_a_taken_name_is_told_and_leaves_its_neighbours_alone(engine):
    results = await together(engine, *(lambda tx, name=name: add(tx, name) for name in ("a", "a", "b")))
    assert isinstance(results[1], Taken)
    assert await engine.read(names) == ["a", "b"]


async def test_what_is_kept_stays_though_the_handler_refuses(engine):
    def count(tx):
        add(tx, "failed login")
        tx.keep()
        raise Error(401, "Unauthorized", "no")

    alone = await together(engine, count)
    assert isinstance(alone[0], Error)
    assert await engine.read(names) == ["failed login"]


async def test_effects_run_after_the_commit_and_never_on_a_refusal(engine):
    seen = []

    def effect(tx, word, refused=False):
        tx.after(seen.append, word)
        add(tx, word)
        if refused:
            raise Error(400, "Bad", "no")

    await together(
        engine, lambda tx: effect(tx, "a"), lambda tx: effect(tx, "b", True), lambda tx: effect(tx, "c")
    )
    await together(engine, lambda tx: effect(tx, "d", True))
    assert seen == ["a", "c"]


async def test_a_full_disk_touches_only_the_request_that_filled_it(engine):
    raw = engine.writer.raw
    pages = raw.execute("pragma page_count").fetchone()[0]
    raw.execute(f"pragma max_page_count={pages + 3}")
    results = await together(
        engine,
        lambda tx: add(tx, "a")["name"],
        lambda tx: add(tx, "big", text="y" * 200_000),
        lambda tx: add(tx, "b")["name"],
    )
    assert results[0] == "a"
    assert isinstance(results[1], DiskFull)
    assert results[2] == "b"
    assert await engine.read(names) == ["a", "b"]


async def test_an_interrupted_write_touches_only_itself(engine):
    calls = []
    many = sa.text(
        "with recursive t(x) as (select 1 union all select x + 1 from t where x < 90000000) "
        "insert into test_things (id, name) select x, x from t"
    )

    def slow(tx):
        calls.append(1)
        threading.Timer(0.05, engine.writer.raw.interrupt).start()
        tx.connection.change(str(many), ())

    results = await together(engine, lambda tx: add(tx, "a")["name"], slow, lambda tx: add(tx, "b")["name"])
    assert results[0] == "a"
    assert results[2] == "b"
    assert isinstance(results[1], sqlite3.OperationalError)
    assert await engine.read(names) == ["a", "b"]


async def test_every_one_of_four_hundred_callers_is_answered(engine):
    async def caller(number: int) -> int:
        await asyncio.sleep(number % 50 / 1000)
        for turn in range(5):
            await engine.write(add, f"{number}-{turn}")
        return 1

    async def busy() -> None:
        while True:
            time.sleep(0.004)  # noqa: ASYNC251 - holding the loop is what this is about
            await asyncio.sleep(0)

    disturber = asyncio.create_task(busy())
    async with asyncio.timeout(60):
        assert sum(await asyncio.gather(*(caller(number) for number in range(400)))) == 400
    disturber.cancel()
    assert await engine.read(lambda db: db.count(THINGS)) == 2000


async def test_a_caller_who_goes_away_does_not_tear_the_batch(engine):
    tasks = [asyncio.create_task(engine.write(add, name)) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await engine.write(add, "d")
    assert await engine.read(names) == ["a", "b", "c", "d"]


async def test_a_nested_part_is_undone_alone(engine):
    def outer(tx):
        add(tx, "outer")
        try:
            with tx.nested():
                add(tx, "inner")
                tx.after(lambda: pytest.fail("an effect of an undone part ran"))
                raise ValueError
        except ValueError:
            add(tx, "after")

    await engine.write(outer)
    assert await engine.read(names) == ["after", "outer"]


async def test_set_with_when_is_an_optimistic_check(engine):
    def change(tx):
        row = add(tx, "a", size=1)
        assert tx.set(row, when={"size": 1}, size=2)
        assert not tx.set(row, when={"size": 1}, size=3)
        return row["size"]

    assert await engine.write(change) == 2


async def test_conditions(engine):
    def some(tx):
        for size, name in enumerate("abcd"):
            add(tx, name, size=size, good=None if name == "a" else name == "b")

    await engine.write(some)

    def look(db, **where):
        return [row["name"] for row in db.all(THINGS, order="name", **where)]

    assert await engine.read(lambda db: look(db, size=gt(1))) == ["c", "d"]
    assert await engine.read(lambda db: look(db, name=["a", "c", "zz"])) == ["a", "c"]
    assert await engine.read(lambda db: look(db, name=[])) == []
    assert await engine.read(lambda db: look(db, good=None)) == ["a"]
    assert await engine.read(lambda db: look(db, good=ne(True))) == ["a", "c", "d"]
    assert await engine.read(lambda db: db.count(THINGS, total="size")) == 6


async def test_a_point_before_and_after_every_commit(engine):
    seen = []
    crash.arm(seen.append)
    try:
        await engine.write(add, "a")
    finally:
        crash.disarm()
    assert seen == ["db.commit.before", "db.commit.after"]


async def test_the_schema_is_expanded_by_comparing(engine):
    wider = THINGS.to_metadata(sa.MetaData())
    wider.append_column(sa.Column("colour", sa.String(8), index=True))
    assert len(missing(engine, [wider])) == 2
    assert expand(engine, [wider]) == 2
    assert missing(engine, [wider]) == []


def test_a_column_that_became_wider_is_widened(postgresql):
    engine = PostgresEngine(postgresql.database("wider"), SimpleNamespace(clock=Clock()))
    try:
        expand(engine, [THINGS])
        wider = THINGS.to_metadata(sa.MetaData())
        wider.c.name.type = sa.String(255)
        assert expand(engine, [wider]) == 1
        assert missing(engine, [wider]) == missing(engine, [THINGS]) == [], "an older program leaves it so"
    finally:
        engine.close()


def teardown_module():
    METADATA.remove(THINGS)
