"""Wake-ups between processes: that a loop has something to do, that parts of a host changed.

They are hints. They go out after the commit that they are about, a few milliseconds' worth in one message,
and only while other processes live; one that is lost (the database was restarted, a listener was busy
connecting) costs a poll interval and nothing else, because no message carries intent. So they are not sent
inside the transaction: PostgreSQL lets transactions that notify commit only one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monostack.cloud import Cloud

CHANNEL = "monostack_hints"
GATHER_SECONDS = 0.003
KEYS = 60
"""Parts in one message: PostgreSQL takes 8,000 bytes, and a part's name is at most about 100."""

log = logging.getLogger(__name__)


class Hints:
    """What this process tells the others, and hears."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._loops: set[str] = set()
        self._hosts: dict[str, dict[tuple[str, str], None]] = {}
        self._joined = False
        self._told: list[dict[str, str]] = []
        self._tasks: list[asyncio.Task] = []
        self._going: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self.cloud.engine.shared:
            listening = self.cloud.engine.listen(CHANNEL, self._heard, self._missed)
            self._tasks.append(asyncio.create_task(listening, name="hints"))

    async def stop(self) -> None:
        if self._going is not None:
            self._going.cancel()
            self._going = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def loop(self, name: str) -> None:
        """Tell the process that holds the loop."""
        if self.cloud.processes.others:
            self._loops.add(name)
            self._soon()

    def host(self, host: str, parts: Iterable[tuple[str, str]]) -> None:
        """Tell the process that the host's agent asks."""
        if self.cloud.processes.others:
            self._hosts.setdefault(host, {}).update(dict.fromkeys(parts))
            self._soon()

    def tell(self, what: str, about: str) -> None:
        """Tell one thing by its name: a question was `asked` of a host, or `answered`."""
        if self.cloud.processes.others:
            self._told.append({what: about})
            self._soon()

    def _soon(self) -> None:
        if self._going is None:
            self._going = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._go)

    def _go(self) -> None:
        self._going = None
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._send(self._messages()), name="hints out"))

    def _messages(self) -> list[str]:
        """What was gathered, in texts that PostgreSQL takes."""
        loops, hosts, joined = sorted(self._loops), self._hosts, self._joined
        self._loops, self._hosts, self._joined = set(), {}, False
        bodies: list[dict[str, Any]] = [{"loops": loops}] if loops or joined else []
        told, self._told = self._told, []
        bodies += told
        for host, parts in hosts.items():
            keys = list(parts)
            for start in range(0, max(len(keys), 1), KEYS):
                bodies.append({"host": host, "parts": keys[start : start + KEYS]})
        sender = {"from": self.cloud.processes.id}
        return [msgspec.json.encode(sender | body).decode() for body in bodies]

    async def _send(self, messages: list[str]) -> None:
        try:
            await self.cloud.engine.notify(CHANNEL, messages)
        except Exception as reason:
            log.warning("hints to other processes are lost, they look by themselves: %s", reason)

    def _heard(self, message: str) -> None:
        try:
            body = msgspec.json.decode(message)
            if body["from"] == self.cloud.processes.id:
                return
            self.cloud.processes.heard_of(body["from"])
            for name in body.get("loops", ()):
                self.cloud.loops.wake_here(name)
            if "asked" in body and body["asked"] in self.cloud.hub.answerers:
                self._tasks.append(asyncio.create_task(self.cloud.questions.look(), name="questions"))
            if "answered" in body:
                self.cloud.questions.answered(body["answered"])
            if "host" in body:
                self.cloud.hub.wake_here(body["host"], [(kind, id) for kind, id in body["parts"]])
        except (msgspec.DecodeError, LookupError, TypeError, ValueError) as reason:
            log.warning("a hint that cannot be read: %s", reason)

    def _missed(self) -> None:
        """The connection was made, for the first time or anew: what was told meanwhile is not known, and who
        did not know of us begins to tell us."""
        self.cloud.loops.wake_all()
        self._joined = True
        self._soon()
