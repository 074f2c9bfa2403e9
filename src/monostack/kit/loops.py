"""Loops make rows true: each takes one idempotent step at a time on rows that are due.

A row says when it wants to be looked at (`due_at`; NULL is settled). A step reads and writes rows in one
transaction and touches no world; what it returns decides when the row is due again. A wake-up only shortens
the wait, so losing one costs a poll interval and nothing else. Where several processes run, each loop is
stepped by the one that holds its lease (`monostack.kit.processes`).
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monostack.kit import clock
from monostack.kit.crash import point
from monostack.kit.db.rows import le, ne
from monostack.kit.resource import Loop

if TYPE_CHECKING:
    from monostack.cloud import Cloud

log = logging.getLogger(__name__)
LONGEST_PAUSE = 300.0


@dataclass(frozen=True)
class Done:
    """The row is settled."""


@dataclass(frozen=True)
class Again:
    """Look again after some seconds; `why` in words if something is wrong."""

    seconds: float = 0.0
    why: str | None = None


@dataclass(frozen=True)
class Failed:
    """It cannot succeed; the words stay on the row. What the user sees of it, the step has written itself."""

    words: str


def pause(attempts: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return min(2.0 ** min(attempts, 16), LONGEST_PAUSE)


class Runner:
    """One loop's task."""

    def __init__(self, cloud: Cloud, loop: Loop) -> None:
        self.cloud = cloud
        self.loop = loop
        self.hint = asyncio.Event()
        self.task: asyncio.Task | None = None
        self.last_problem: str | None = None
        self.last_run: float | None = None

    async def live(self) -> None:
        while True:
            if not self.cloud.processes.holds(self.loop.name):  # being given the lease is a hint
                await self.hint.wait()
                self.hint.clear()
                continue
            try:
                more = await self.turn()
                self.last_problem = None
            except asyncio.CancelledError:
                raise
            except Exception as reason:
                self.last_problem = f"{type(reason).__name__}: {reason}"
                log.error("loop %s: %s", self.loop.name, traceback.format_exc())
                more = False
            self.last_run = self.cloud.clock.time()
            if more:
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(self.loop.every):
                    await self.hint.wait()
            except TimeoutError:
                pass
            self.hint.clear()

    async def turn(self) -> bool:
        """One pass; whether more is due already."""
        engine, table = self.cloud.engine, self.loop.table
        if table is None:
            outcome = await engine.write(self._bare_step)
            return isinstance(outcome, Again) and outcome.seconds <= 0
        ids = await engine.read(self._due)
        if len(ids) == 1:
            await engine.write(self._step, ids[0])
        elif ids:
            results = await asyncio.gather(
                *(engine.write(self._step, id) for id in ids), return_exceptions=True
            )
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return len(ids) == self.loop.batch

    def _bare_step(self, tx) -> Any:
        return self.loop.step(None, tx)

    def _due(self, db) -> list[Any]:
        rows = db.all(self.loop.table, order="due_at", limit=self.loop.batch, deleted=True, due_at=le(db.now))
        return [row["id"] for row in rows]

    def _step(self, tx, id: Any) -> None:  # noqa: A002
        row = tx.one(self.loop.table, id=id, deleted=True)
        if row is None or row["due_at"] is None or row["due_at"] > tx.now:
            return
        point("loop.step.before")
        try:
            with tx.nested():
                outcome = self.loop.step(row, tx)
        except Exception as reason:
            outcome = Again(pause(row["attempts"] or 0), f"{type(reason).__name__}: {reason}")
            log.error("loop %s, row %s: %s", self.loop.name, id, traceback.format_exc())
        self._record(tx, id, row, outcome)
        point("loop.step.after")

    def _record(self, tx, id: Any, row, outcome) -> None:  # noqa: A002
        table = self.loop.table
        if isinstance(outcome, Again):
            failing = outcome.why is not None
            values = {
                "due_at": tx.cloud.clock.after(outcome.seconds),
                "cause": outcome.why,
                "attempts": (row["attempts"] or 0) + 1 if failing else 0,
            }
        elif isinstance(outcome, Failed):
            values = {"due_at": None, "cause": outcome.words}
        else:
            values = {"due_at": None, "cause": None, "attempts": 0}
        if "updated_at" in table.c:
            values["updated_at"] = row["updated_at"]
        tx.update(table, {"id": id}, **values)

    def status(self, db) -> dict[str, Any]:
        """For `monostack status`: how many rows are due, how many fail, and why."""
        table = self.loop.table
        out: dict[str, Any] = {"loop": self.loop.name, "due": 0, "failing": [], "problem": self.last_problem}
        if table is not None:
            out["due"] = db.count(table, deleted=True, due_at=le(db.now))
            rows = db.all(table, deleted=True, limit=20, cause=ne(None))
            out["failing"] = [
                {"id": row["id"], "attempts": row["attempts"], "cause": row["cause"], "due_at": row["due_at"]}
                for row in rows
                if row["cause"] is not None
            ]
        return out


class Loops:
    """All loops of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.runners: dict[str, Runner] = {}

    def add(self, loop: Loop) -> None:
        if loop.name in self.runners:
            raise ValueError(f"two loops are called {loop.name}")
        self.runners[loop.name] = Runner(self.cloud, loop)

    def start(self) -> None:
        for runner in self.runners.values():
            runner.task = asyncio.create_task(runner.live(), name=f"loop {runner.loop.name}")

    def wake(self, name: str) -> None:
        """One of the loop's rows is due: tell the runner here, or the process that holds the loop."""
        self.wake_here(name)
        if not self.cloud.processes.holds(name):
            self.cloud.hints.loop(name)

    def wake_here(self, name: str) -> None:
        runner = self.runners.get(name)
        if runner is not None:
            runner.hint.set()

    def wake_all(self) -> None:
        for runner in self.runners.values():
            runner.hint.set()

    async def stop(self) -> None:
        tasks = [runner.task for runner in self.runners.values() if runner.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["Again", "Done", "Failed", "Loops", "Runner", "clock", "pause"]
