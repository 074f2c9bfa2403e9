"""Processes that share a cloud: how they start, who takes the steps of which loop, and how they wake each
other."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from monostack.identity.tables import USERS
from monostack.kit import processes
from monostack.kit.processes import LEASES, PROCESSES, Processes

LOOP = "identity.revocations"


def soon(holds, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def holders(*worlds) -> list:
    running = [world for world in worlds if world.cloud.cloud.engine is not None]
    return [world for world in running if world.cloud.cloud.processes.holds(LOOP)]


def ran(world) -> float | None:
    return world.cloud.cloud.loops.runners[LOOP].last_run


def test_two_that_start_at_once_make_one_cloud(pair):
    first, second = pair
    assert first.cloud.cloud.id == second.cloud.cloud.id
    names = [row["name"] for row in first.cloud.read(lambda db: db.all(USERS, order="name"))]
    assert names == ["admin", "demo"]
    assert first.token() and second.token()


def test_two_that_start_at_once_bring_the_database_up_to_date_once(pair, more):
    """An index that is missing is made by one; the other waits and finds it there."""
    first, _ = pair
    engine = first.cloud.cloud.engine
    engine.define(["drop index events_at"])
    with ThreadPoolExecutor(2) as pool:
        third, fourth = pool.map(lambda _: more(), range(2))
    assert "index:events_at" in engine.columns()
    for cloud in (third, fourth):
        cloud.stop()
    soon(lambda: first.cloud.read(lambda db: db.count(PROCESSES)) == 2)


def test_each_loop_is_held_by_one(pair):
    soon(lambda: len(holders(*pair)) == 1)
    leases = pair[0].cloud.read(lambda db: db.all(LEASES))
    assert {lease["loop"] for lease in leases} == set(pair[0].cloud.cloud.loops.runners)
    living = {world.cloud.cloud.processes.id for world in pair}
    assert {lease["holder"] for lease in leases} <= living


def test_a_wake_up_reaches_the_process_that_holds_the_loop(pair):
    """The loop looks by itself only every ten minutes."""
    (holder,) = holders(*pair)
    other = next(world for world in pair if world is not holder)
    before = ran(holder)
    other.cloud.loop.call_soon_threadsafe(other.cloud.cloud.loops.wake, LOOP)
    soon(lambda: ran(holder) != before)
    assert ran(other) is None


def test_a_change_reaches_the_agent_that_asks_another_process(pair):
    first, second = (world.cloud for world in pair)
    hub = first.cloud.hub
    asked = {"host": "far", "digest": "0" * 16, "timeout": 5.0}
    waiting = asyncio.run_coroutine_threadsafe(hub.sync(asked), first.loop)
    soon(lambda: "far" in hub.waiting)
    loaded = []
    hub._changed = lambda db, host, keys: loaded.append((host, keys)) or {"put": [], "forget": []}
    second.loop.call_soon_threadsafe(second.cloud.hub.wake, "far", [("server", "x")])
    assert waiting.result(5) == {"put": [], "forget": []}
    assert loaded == [("far", [("server", "x")])]
    assert "far" not in second.cloud.hub.hints, "nothing is kept for a host that does not ask here"


def test_who_leaves_passes_its_loops_on(pair, more):
    (holder,) = holders(*pair)
    other = next(world for world in pair if world is not holder)
    holder.cloud.stop()
    soon(lambda: holders(other) == [other], 3.0)
    assert other.cloud.read(lambda db: db.count(PROCESSES)) == 1


def test_one_that_was_dead_for_the_others_begins_anew(pair):
    """Its row is gone, as after a long freeze: it makes a new one and holds what is free."""
    (alive,) = holders(*pair)
    cloud = alive.cloud.cloud

    def bury(tx) -> None:
        tx.delete_all(PROCESSES)
        tx.update(LEASES, {}, holder="somebody who never was")

    alive.cloud.run(cloud.engine.write(bury))
    soon(lambda: alive.cloud.read(lambda db: db.one(LEASES, loop=LOOP))["holder"] == cloud.processes.id)


class Elsewhere:
    """What `Processes` asks of its cloud."""


def test_a_beat_that_stops_is_noticed_by_the_watcher_s_own_clock():
    watcher = Processes(Elsewhere())
    row = {"id": "a", "beat": 7, "kernel": "another machine", "pid": 1}
    assert not watcher._is_dead(row, 100.0)
    assert not watcher._is_dead(row, 100.0 + processes.DEAD_SECONDS)
    assert watcher._is_dead(row, 100.1 + processes.DEAD_SECONDS)
    assert not watcher._is_dead(row | {"beat": 8}, 110.0)
    assert not watcher._is_dead(row | {"beat": 8}, 112.0)


def test_a_process_of_this_machine_that_is_gone_is_known_at_once():
    watcher = Processes(Elsewhere())
    row = {"id": "a", "beat": 7, "kernel": watcher.kernel, "pid": 2**22 + 1}
    assert watcher.kernel
    assert watcher._is_dead(row, 100.0)


def test_who_has_not_beaten_for_long_takes_no_steps():
    watcher = Processes(Elsewhere())
    watcher.cloud.engine = Elsewhere()
    watcher.cloud.engine.shared = True
    watcher._held, watcher._until = frozenset([LOOP]), time.monotonic() + 1.0
    assert watcher.holds(LOOP)
    watcher._until = time.monotonic() - 0.001
    assert not watcher.holds(LOOP)
