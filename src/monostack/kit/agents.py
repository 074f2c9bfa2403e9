"""The hub: what the hosts' agents talk to.

An agent tells a digest of what it holds ({part: version}); when it differs, maps are exchanged and parts are
put or forgotten. There are no sequence numbers: PostgreSQL makes them visible out of order, and a change was
lost that way in an experiment. In between, hints carry the keys of changed parts so that a change reaches its
host in a millisecond; a lost hint costs one poll. `forget` never destroys: only a part whose desired is
"absent" does.

The messages are plain JSON objects (hello, sync, report, ask), the same whether the agent runs in this
process or not.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from monostack.kit.db.columns import JSON, Boolean, Column, Integer, String, Table, Time, stamps
from monostack.kit.db.rows import DiskFull
from monostack.kit.errors import Error
from monostack.kit.resource import PartKind

if TYPE_CHECKING:
    from monostack.cloud import Cloud

SPEAKS = (1,)
POLL_SECONDS = 25.0
AWAY_SECONDS = 2 * POLL_SECONDS
ALIVE_SECONDS = 60.0
REST = 4
LONGEST_REST = 0.1

log = logging.getLogger(__name__)

HOSTS = Table(
    "hosts",
    Column("name", String(255), unique=True),
    Column("seen_at", Time),
    Column("started_at", Time),
    Column("speaks", Integer),
    Column("inventory", JSON),
    Column("networking", JSON),
    Column("unknown_things", JSON),
    Column("refused_facts", JSON),
    Column("process", String(64)),
    Column("up", Boolean),
    *stamps(),
)

Key = tuple[str, str]


def stamp(kind: str, id: str, version: int) -> int:  # noqa: A002 - the field's word
    """A part's share in a digest: 64 bits of a hash of its key and version."""
    return int.from_bytes(hashlib.blake2b(f"{kind} {id} {version}".encode(), digest_size=8).digest(), "big")


def digest(parts: dict[Key, int]) -> str:
    """What a set of parts comes down to: all their stamps, exclusive-or, so that an agent keeps its own up to
    date by two operations a change instead of hashing everything again."""
    total = 0
    for (kind, id), version in parts.items():  # noqa: A001
        total ^= stamp(kind, id, version)
    return f"{total:016x}"


def hosts(db) -> list:
    """All hosts that ever said hello."""
    return db.all(HOSTS, order="name")


def alive(db, host_row) -> bool:
    """Whether the host has been heard of lately."""
    return host_row["seen_at"] is not None and host_row["seen_at"] > db.cloud.clock.after(-ALIVE_SECONDS)


def _nobody_can_write(reason: Exception) -> bool:
    """Whether the database is the cause, and not what was to be written."""
    return isinstance(reason, DiskFull) or (isinstance(reason, Error) and reason.code == 503)


class Hub:
    """The API's side of the agent protocol.

    After changes were read for a host, the next are left to gather for REST times as long as the reading
    took: a security group of thousands of members is not read again for each of a hundred new ports. A change
    that comes alone is not held up.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.kinds: dict[str, PartKind] = {}
        self.hints: dict[str, dict[Key, None]] = {}
        self.waiting: dict[str, asyncio.Event] = {}
        self.answerers: dict[str, Callable] = {}
        self.asked: dict[str, float] = {}
        self.compared: dict[str, float] = {}
        self.rested: dict[str, float] = {}

    def add(self, kind: PartKind) -> None:
        self.kinds[kind.name] = kind

    # what agents say

    async def hello(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"host", "speaks": [1], "inventory", "networking"} -> {"speaks": 1, "cloud": uuid}."""
        common = set(body["speaks"]) & set(SPEAKS)
        if not common:
            raise Error(
                400, "BadProtocol", f"This cloud speaks {SPEAKS}, the agent {body['speaks']}: upgrade one."
            )
        self.compared.pop(body["host"], None)
        await self.cloud.engine.write(self._hello, body, max(common))
        return {"speaks": max(common), "cloud": self.cloud.id}

    def _hello(self, tx, body, speaks: int) -> None:
        values = {
            "seen_at": tx.now,
            "started_at": tx.now,
            "speaks": speaks,
            "inventory": body["inventory"],
            "networking": body.get("networking"),
            "refused_facts": [],
            "process": self.cloud.processes.id,
            "up": True,
        }
        row = tx.one(HOSTS, name=body["host"])
        if row is None:
            row = tx.insert(HOSTS, name=body["host"], **values)
        else:
            tx.set(row, **values)
        tx.hook("host.hello", row)

    async def beat(
        self,
        host: str,
        unknown: list[dict[str, Any]] | None = None,
        refused: list[dict[str, Any]] | None = None,
    ) -> None:
        """The agent lives; `unknown` lists things it found in the world that no row names, `refused` what it
        reported and we did not take in."""
        await self.cloud.engine.write(self._beat, host, unknown, refused)

    def _beat(self, tx, host: str, unknown, refused) -> None:
        row = tx.one(HOSTS, name=host)
        if row is None:
            return
        values: dict[str, Any] = {"seen_at": tx.now}
        if unknown is not None and unknown != row["unknown_things"]:
            values["unknown_things"] = unknown
        if refused is not None and refused != (row["refused_facts"] or []):
            values["refused_facts"] = refused
        tx.set(row, **values)

    async def sync(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"host", "digest", "have"?, "timeout"} -> {"put", "forget"[, "digest"]} | {"send": "have"} | {}."""
        host = body["host"]
        self.asked[host] = time.monotonic()
        if "have" in body:
            self.hints.pop(host, None)
            self.compared[host] = time.monotonic()
            return await self.cloud.engine.read(self._difference, host, body["have"])
        if host not in self.hints:
            if self._due(host):
                want = await self.cloud.engine.read(self.wanted, host)
                if digest(want) != body["digest"]:
                    return {"send": "have"}
                self.compared[host] = time.monotonic()
            await self._hinted(host, min(body.get("timeout", POLL_SECONDS), POLL_SECONDS))
        await asyncio.sleep(max(0.0, self.rested.get(host, 0.0) - time.monotonic()))
        keys = self.hints.pop(host, None)
        if not keys:
            return {}
        started = time.monotonic()
        changed = await self.cloud.engine.read(self._changed, host, list(keys))
        ended = time.monotonic()
        self.rested[host] = ended + min(REST * (ended - started), LONGEST_REST)
        return changed

    def _due(self, host: str) -> bool:
        """Whether the digests are to be compared: at first contact and once a poll interval, not after
        hints."""
        last = self.compared.get(host)
        return last is None or time.monotonic() - last >= POLL_SECONDS

    async def _hinted(self, host: str, timeout: float) -> None:
        event = self.waiting.setdefault(host, asyncio.Event())
        event.clear()
        if host in self.hints:
            return
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            pass

    def wanted(self, db, host: str) -> dict[Key, int]:
        out: dict[Key, int] = {}
        for kind in self.kinds.values():
            for id, version in kind.wanted(db, host):  # noqa: A001
                out[(kind.name, id)] = version
        return out

    def _difference(self, db, host: str, have: list) -> dict[str, Any]:
        want = self.wanted(db, host)
        known = {(kind, id): version for kind, id, version in have}
        changed = [key for key, version in want.items() if known.get(key) != version]
        put = [part for part in (self._load(db, key, host) for key in changed) if part is not None]
        return {"digest": digest(want), "put": put, "forget": [list(key) for key in known if key not in want]}

    def _changed(self, db, host: str, keys: list[Key]) -> dict[str, Any]:
        put, forget = [], []
        for key in keys:
            part = self._load(db, key, host)
            if part is None:
                forget.append(list(key))
            else:
                put.append(part)
        return {"put": put, "forget": forget}

    def _load(self, db, key: Key, host: str) -> dict[str, Any] | None:
        part = self.kinds[key[0]].load(db, key[1], host)
        return None if part is None else {"kind": key[0], "id": key[1], **part}

    async def report(self, body: dict[str, Any]) -> dict[str, Any]:
        """{"host", "facts": [...]}: what is -> {"refused": [[position, reason], ...]}.

        Settled in one transaction, or one by one when a fact is troublesome: the others count, and the agent
        is told which was not taken in, so that it says it again. Raises what no fact is to blame for.
        """
        host, facts = body["host"], body["facts"]
        try:
            await self.cloud.engine.write(self._settle, host, facts)
            return {"refused": []}
        except Exception as reason:
            if _nobody_can_write(reason):
                raise
            log.error("host %s: %s facts cannot be settled together: %s", host, len(facts), reason)
        refused = []
        for position, fact in enumerate(facts):
            try:
                await self.cloud.engine.write(self._settle, host, [fact])
            except Exception as reason:
                if _nobody_can_write(reason):
                    raise
                log.error("host %s, fact %s: %s", host, fact, traceback.format_exc())
                refused.append([position, f"{type(reason).__name__}: {reason}"])
        return {"refused": refused}

    def _settle(self, tx, host: str, facts: Iterable[dict[str, Any]]) -> None:
        for fact in facts:
            kind = self.kinds.get(fact["kind"])
            if kind is not None:
                kind.settle(tx, host, fact)

    def forget_all(self) -> None:
        """Drop hints and waiting agents; for a disposable cloud that starts anew."""
        self.hints.clear()
        self.waiting.clear()
        self.asked.clear()
        self.compared.clear()
        self.rested.clear()

    # what the API says

    def wake(self, host: str, parts: Iterable[Key] = ()) -> None:
        """These parts of the host changed: tell its agent, if it asks here, and the other processes."""
        parts = tuple(parts)
        self.wake_here(host, parts)
        self.cloud.hints.host(host, parts)

    def wake_here(self, host: str, parts: Iterable[Key] = ()) -> None:
        """Keep the hint for the host's agent. One that does not ask here (any more) is compared with whole
        when it comes, so nothing need be kept for it."""
        if time.monotonic() - self.asked.get(host, -AWAY_SECONDS) >= AWAY_SECONDS:
            self.hints.pop(host, None)
            self.compared.pop(host, None)
            return
        kept = self.hints.setdefault(host, {})
        for key in parts:
            kept[key] = None
        event = self.waiting.get(host)
        if event is not None:
            event.set()

    async def _demand_agent(self, host: str) -> None:
        """Raise Error 503 unless another living process has the host's agent."""
        others = self.cloud.processes.others
        row = await self.cloud.engine.read(lambda db: db.one(HOSTS, name=host)) if others else None
        if row is None or row["process"] not in others:
            raise Error(503, "ServiceUnavailable", f"Host {host} does not answer: is its agent running?")

    async def ask(
        self,
        host: str | None,
        kind: str,
        id: str,
        question: str,
        args: dict[str, Any],  # noqa: A002
        timeout: float = 10.0,
    ) -> Any:
        """A question about a part; raises Error 503 when the host does not answer, LookupError when it knows
        nothing of the part."""
        host = host or ""
        answer = self.answerers.get(host)
        try:
            if answer is None:
                await self._demand_agent(host)
                return await self.cloud.questions.ask(host, [kind, id, question, args], timeout)
            async with asyncio.timeout(timeout):
                return await answer(kind, id, question, args)
        except TimeoutError:
            raise Error(
                503, "ServiceUnavailable", f"Host {host} did not answer within {timeout:.0f} s."
            ) from None
