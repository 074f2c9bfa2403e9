"""The processes that serve one cloud from one database, and which of them takes the steps of which loop.

Each process has a row with a beat that it counts up every second. Clocks are not compared, because machines
disagree about the time: who watches notes when a beat last changed, by his own monotonic clock, and takes one
that has not changed for four seconds for dead; of one on his own machine he asks the kernel and knows at
once. Whoever finds a process dead removes its row and takes the loops that it held.

A lease saves work, it protects nothing. A process that was frozen may come back and take a step beside its
successor: steps lock their rows, and what they do to the world is done by agents, who repeat themselves
safely. It notices by itself that it has not beaten for too long, and stops stepping until it has.

With a database that only one process can hold there is nothing to share, and every loop is its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from monostack.kit.db.columns import JSON, BigInteger, Column, Integer, String, Table, stamps
from monostack.kit.ids import new_uuid

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.db.rows import Row
    from monostack.kit.db.tx import Db, Tx

BEAT_SECONDS = 1.0
HELD_SECONDS = 3.0
"""For so long after its last beat a process takes steps."""
DEAD_SECONDS = 4.0

log = logging.getLogger(__name__)

PROCESSES = Table(
    "processes",
    Column("host", String(255)),
    Column("kernel", String(128)),
    Column("pid", Integer),
    Column("about", JSON),
    Column("beat", BigInteger),
    *stamps(),
)
LEASES = Table(
    "loop_leases",
    Column("loop", String(64), primary_key=True),
    Column("holder", String(64)),
)


def kernel() -> str:
    """Whom to ask whether a process id lives: this boot of this machine, and the process ids seen from
    here. Empty where it cannot be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def overview(db: Db) -> list[dict[str, Any]]:
    """The processes and the loops they hold, for people."""
    held: dict[str, list[str]] = {}
    for lease in db.all(LEASES, order="loop"):
        held.setdefault(lease["holder"], []).append(lease["loop"])
    alive_since = db.cloud.clock.after(-DEAD_SECONDS)
    return [
        {"host": row["host"], "pid": row["pid"]}
        | (row["about"] or {})
        | {"loops": len(held.get(row["id"], ()))}
        | {"alive": (row["updated_at"] or row["created_at"]) > alive_since}
        for row in db.all(PROCESSES, order="created_at")
    ]


class Processes:
    """This process among the others."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.id = new_uuid()
        self.kernel = kernel()
        self.others: frozenset[str] = frozenset()
        self._held: frozenset[str] = frozenset()
        self._until = 0.0
        self._seen: dict[str, tuple[int, float]] = {}
        self._task: asyncio.Task | None = None

    def prepare(self, tx: Tx) -> None:
        """A lease for each loop, at every start."""
        known = {row["loop"] for row in tx.all(LEASES)}
        for name in sorted(self.cloud.loops.runners.keys() - known):
            tx.insert(LEASES, loop=name, holder="")

    def holds(self, loop: str) -> bool:
        """Whether this process takes the steps of the loop now."""
        if not self.cloud.engine.shared:
            return True
        return loop in self._held and time.monotonic() < self._until

    def heard_of(self, other: str) -> None:
        """Another process lives, which our next beat would find."""
        self.others |= {other}

    async def start(self) -> None:
        """Take a place among the others; from then on beat."""
        if not self.cloud.engine.shared:
            return
        await self._beat()
        self._task = asyncio.create_task(self._live(), name="processes")

    async def stop(self) -> None:
        """Leave, so that the others need not wait to notice."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        try:
            await self.cloud.engine.write(self._leave)
        except Exception as reason:
            log.warning("the loops of this process pass on only after some seconds: %s", reason)

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._beat()
            except Exception as reason:
                log.error("this process cannot say that it lives: %s", reason)

    async def _beat(self) -> None:
        started = time.monotonic()
        before = {name for name in self._held if started < self._until}
        others, held = await self.cloud.engine.write(self._beaten, started)
        self.others, self._held, self._until = others, held, started + HELD_SECONDS
        for name in held - before:
            self.cloud.loops.wake(name)
        if others:
            await self.cloud.questions.look()

    def _beaten(self, tx: Tx, now: float) -> tuple[frozenset[str], frozenset[str]]:
        """Count up our beat, bury the dead, take what they held; the other living, and our loops."""
        own = tx.one(PROCESSES, id=self.id)
        if own is None:
            tx.insert(PROCESSES, id=self.id, beat=1, **self._about())
        else:
            tx.set(own, beat=own["beat"] + 1)
        others = [row for row in tx.all(PROCESSES) if row["id"] != self.id]
        dead = [row for row in others if self._is_dead(row, now)]
        for row in dead:
            log.warning("process %s on %s is gone", row["pid"], row["host"])
            tx.delete_all(PROCESSES, id=row["id"], beat=row["beat"])
        living = frozenset(row["id"] for row in others if row not in dead)
        held = set()
        for lease in tx.all(LEASES, order="loop", loop=list(self.cloud.loops.runners)):
            name, holder = lease["loop"], lease["holder"]
            free = holder != self.id and holder not in living
            if holder == self.id or (free and tx.update(LEASES, dict(lease), holder=self.id)):
                held.add(name)
        return living, frozenset(held)

    def _about(self) -> dict[str, Any]:
        settings = self.cloud.settings
        return {
            "host": settings.host,
            "kernel": self.kernel,
            "pid": os.getpid(),
            "about": {
                "kind": "up" if self.cloud.alone else "serve",
                "listen": settings.listen,
                "ports": settings.shared_port or f"+{settings.port_offset}",
            },
        }

    def _is_dead(self, row: Row, now: float) -> bool:
        if row["kernel"] and row["kernel"] == self.kernel and not _lives(row["pid"]):
            return True
        beat, changed = self._seen.get(row["id"], (None, now))
        if beat != row["beat"]:
            self._seen[row["id"]] = (row["beat"], now)
            return False
        return now - changed > DEAD_SECONDS

    def _leave(self, tx: Tx) -> None:
        tx.update(LEASES, {"holder": self.id}, holder="")
        tx.delete_all(PROCESSES, id=self.id)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
