"""Questions to a host whose agent another process has: what its guest printed, where its console is.

A question is a row, and so is its answer; hints say that they are there, and every beat of the process that
has agents looks for those of which the hint was lost. Who asked takes the row away; a question whose time is
over is taken away unanswered, because nobody waits any more.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from monostack.kit.db.columns import JSON, Column, String, Table, Time
from monostack.kit.db.rows import lt
from monostack.kit.errors import Error
from monostack.kit.ids import new_uuid

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.db.rows import Row
    from monostack.kit.db.tx import Db, Tx

LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)

QUESTIONS = Table(
    "host_questions",
    Column("host", String(255), index=True),
    Column("asked", JSON),
    Column("answer", JSON),
    Column("until", Time),
)


class Questions:
    """What this process asks of the hosts of others, and answers for its own."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._waiting: dict[str, asyncio.Event] = {}
        self._answering: dict[str, asyncio.Task] = {}

    # asking

    async def ask(self, host: str, asked: list[Any], timeout: float) -> Any:
        """The answer of a host's agent in another process; raises what it raised, and TimeoutError."""
        id = new_uuid()  # noqa: A001 - the field's word
        hint = self._waiting[id] = asyncio.Event()
        try:
            await self.cloud.engine.write(self._put, id, host, asked, timeout)
            async with asyncio.timeout(timeout):
                while (answer := await self.cloud.engine.read(_answer_of, id)) is None:
                    hint.clear()
                    await self._hinted(hint)
        finally:
            del self._waiting[id]
            await self.cloud.engine.write(_take_away, id)
        return _understood(answer)

    async def _hinted(self, hint: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await hint.wait()
        except TimeoutError:
            pass

    def _put(self, tx: Tx, id: str, host: str, asked: list[Any], timeout: float) -> None:  # noqa: A002
        tx.insert(QUESTIONS, id=id, host=host, asked=asked, until=tx.cloud.clock.after(timeout))
        tx.after(self.cloud.hints.tell, "asked", host)

    def answered(self, id: str) -> None:  # noqa: A002
        """A hint: the question was answered."""
        hint = self._waiting.get(id)
        if hint is not None:
            hint.set()

    # answering

    async def look(self) -> None:
        """Answer what is asked of the hosts whose agents are here."""
        hosts = list(self.cloud.hub.answerers)
        for row in await self.cloud.engine.read(_open, hosts) if hosts else ():
            if row["id"] not in self._answering:
                task = asyncio.create_task(self._answer(row), name=f"question to {row['host']}")
                self._answering[row["id"]] = task
                task.add_done_callback(partial(self._done, row["id"]))

    def _done(self, id: str, task: asyncio.Task) -> None:  # noqa: A002
        del self._answering[id]
        if not task.cancelled() and task.exception() is not None:
            log.warning("a question is not answered yet: %s", task.exception())

    async def _answer(self, row: Row) -> None:
        if row["until"] <= self.cloud.clock.now():
            await self.cloud.engine.write(_forget, self.cloud.clock.now())
            return
        answerer = self.cloud.hub.answerers[row["host"]]
        try:
            answer = {"value": await answerer(*row["asked"])}
        except Error as refusal:
            answer = {"error": [refusal.code, refusal.type, refusal.message]}
        except LookupError as reason:
            answer = {"unknown": str(reason.args[0]) if reason.args else None}
        except Exception as reason:
            log.error("host %s was asked %s: %s", row["host"], row["asked"][2], reason)
            answer = {"failed": str(reason) or type(reason).__name__}
        await self.cloud.engine.write(self._tell, row["id"], answer)

    def _tell(self, tx: Tx, id: str, answer: dict[str, Any]) -> None:  # noqa: A002
        if tx.update(QUESTIONS, {"id": id}, answer=answer):
            tx.after(self.cloud.hints.tell, "answered", id)


def _answer_of(db: Db, id: str) -> dict[str, Any] | None:  # noqa: A002
    row = db.one(QUESTIONS, id=id)
    return {"failed": "The question was taken away."} if row is None else row["answer"]


def _take_away(tx: Tx, id: str) -> None:  # noqa: A002
    tx.delete_all(QUESTIONS, id=id)


def _forget(tx: Tx, now: str) -> None:
    tx.delete_all(QUESTIONS, until=lt(now))


def _open(db: Db, hosts: list[str]) -> list[Row]:
    return db.all(QUESTIONS, host=hosts, answer=None)


def _understood(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise Error(*answer["error"])
    if "unknown" in answer:
        raise LookupError(*([answer["unknown"]] if answer["unknown"] else []))
    if "failed" in answer:
        raise RuntimeError(answer["failed"])
    return answer["value"]
