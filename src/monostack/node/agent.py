"""The agent of a host: parts in, facts out.

It holds what the cloud wants of this host (`parts`), lets the drivers make it true one part at a time, and
reports what is. Everything may be repeated: after a kill the agent starts with nothing, looks at the world,
and asks for all parts again. What it finds and no part names is reported and left alone; only a part that
says "absent" ends something.

Networks go through one lane in the order in which they stand on each other; servers run side by side, each
after its own ports.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from monostack.node.errors import Broken, Retry

log = logging.getLogger(__name__)

Key = tuple[str, str]
Telling = tuple[str, str, bool]
"""Of a thing two kinds of facts are told: what was made of its part, and what became of it by itself."""
RANK = {"security_group": 0, "network": 1, "port": 2, "router": 3}
LOOK_SECONDS = 60.0
BEAT_SECONDS = 10.0
LONGEST_PAUSE = 60.0


class Transport(Protocol):
    """The cloud as the agent sees it; `monostack.kit.agents.Hub` in the same process."""

    async def hello(self, body: dict) -> dict: ...
    async def sync(self, body: dict) -> dict: ...
    async def report(self, body: dict) -> dict: ...
    async def beat(
        self, host: str, unknown: list[dict] | None = None, refused: list[dict] | None = None
    ) -> None: ...


def _telling(fact: dict) -> Telling:
    return fact["kind"], fact["id"], bool(fact.get("by_itself"))


class Agent:
    """One host's agent.

    `stamp` is a part's share in the digest that both sides compare. `at_once` bounds how many servers are
    being changed at the same moment.
    """

    def __init__(
        self,
        host: str,
        transport: Transport,
        hypervisor: Any,
        networks: Any,
        stamp: Callable[[str, str, int], int],
        at_once: int = 64,
    ) -> None:
        self.host = host
        self.transport = transport
        self.hypervisor = hypervisor
        self.networks = networks
        self.stamp = stamp
        self.total = 0
        self.parts: dict[Key, dict] = {}
        self.applied: dict[Key, int] = {}
        self.failures: dict[Key, int] = {}
        self.problems: dict[Key, str] = {}
        self.refused: dict[Telling, dict] = {}
        self.network_work: dict[Key, None] = {}
        self.network_hint = asyncio.Event()
        self.server_tasks: dict[str, asyncio.Task] = {}
        self.server_again: set[str] = set()
        self.ports_changed = asyncio.Condition()
        self.outbox: list[dict] = []
        self.outbox_hint = asyncio.Event()
        self.slots = asyncio.Semaphore(at_once)
        self.tasks: list[asyncio.Task] = []
        self.later: set[asyncio.TimerHandle] = set()
        self.inventory: dict = {}
        self.networking: dict = {}

    # life

    async def start(self) -> None:
        """Start the drivers, say hello, begin to follow the cloud."""
        self.networking = await self.networks.start()
        self.hypervisor.on_change = self._guest_changed
        self.inventory = await self.hypervisor.start()
        await self.transport.hello(
            {"host": self.host, "speaks": [1], "inventory": self.inventory, "networking": self.networking}
        )
        for work in (self._follow, self._network_lane, self._post, self._watch, self._live):
            self.tasks.append(asyncio.create_task(work(), name=f"agent {self.host} {work.__name__}"))

    async def stop(self, stop_guests: bool = False) -> None:
        """Stop following; guests and networks stay unless `stop_guests`."""
        for handle in self.later:
            handle.cancel()
        tasks = [*self.tasks, *self.server_tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.hypervisor.stop(stop_guests)
        await self.networks.stop()

    # parts in

    async def _follow(self) -> None:
        """Ask for what changed, for ever; a lost connection costs a pause."""
        body: dict[str, Any] = {}
        pause = 0.1
        while True:
            try:
                answer = await self.transport.sync(
                    {"host": self.host, "digest": f"{self.total:016x}", "timeout": 25.0, **body}
                )
                pause = 0.1
            except Exception as reason:
                log.error("host %s cannot reach the cloud: %s", self.host, reason)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
                continue
            body = {}
            if answer.get("send") == "have":
                body = {"have": [[kind, id, part["version"]] for (kind, id), part in self.parts.items()]}
                continue
            for kind, id in answer.get("forget", ()):
                self._forget((kind, id))
            for part in answer.get("put", ()):
                self._put(part)

    def _put(self, part: dict) -> None:
        key = (part["kind"], part["id"])
        self._uncount(key)
        self.parts[key] = part
        self.total ^= self.stamp(*key, part["version"])
        self.failures.pop(key, None)
        self._queue(key)

    def _uncount(self, key: Key) -> None:
        known = self.parts.get(key)
        if known is not None:
            self.total ^= self.stamp(*key, known["version"])

    def _forget(self, key: Key) -> None:
        """Not ours to watch any more. The thing itself is left as it is."""
        self._uncount(key)
        for kept in (self.parts, self.applied, self.failures, self.problems):
            kept.pop(key, None)
        for by_itself in (False, True):
            self.refused.pop((*key, by_itself), None)

    def _queue(self, key: Key) -> None:
        if key[0] == "server":
            running = self.server_tasks.get(key[1])
            if running is not None and not running.done():
                self.server_again.add(key[1])
            else:
                self.server_tasks[key[1]] = asyncio.create_task(self._serve(key[1]))
        else:
            self.network_work[key] = None
            self.network_hint.set()

    # networks

    async def _network_lane(self) -> None:
        while True:
            if not self.network_work:
                self.network_hint.clear()
                await self.network_hint.wait()
            key = min(self.network_work, key=self._network_order)
            del self.network_work[key]
            part = self.parts.get(key)
            if part is None:
                continue
            if part["desired"] == "absent" and key[0] == "port" and self._guest_holds(key[1]):
                self._retry(key, "the guest still holds the port", 0.2)
                continue
            await self._apply(key, part, self.networks.make)
            if key[0] == "port":
                async with self.ports_changed:
                    self.ports_changed.notify_all()

    def _network_order(self, key: Key) -> tuple[int, int]:
        """What others stand on is made first and removed last."""
        part = self.parts.get(key)
        if part is not None and part["desired"] == "absent":
            return (1, -RANK.get(key[0], 9))
        return (0, RANK.get(key[0], 9))

    def _guest_holds(self, port_id: str) -> bool:
        """Whether a guest that is to go, and has not gone yet, has the port plugged in."""
        return any(
            part["desired"] == "absent"
            and self.applied.get(key) != part["version"]
            and any(nic["port_id"] == port_id for nic in part["nics"])
            for key, part in self.parts.items()
            if key[0] == "server"
        )

    # servers

    async def _serve(self, id: str) -> None:
        key = ("server", id)
        while True:
            self.server_again.discard(id)
            part = self.parts.get(key)
            if part is None:
                return
            if part["desired"] == "present" and not await self._ports_ready(id, part):
                continue
            if part["desired"] == "absent" or part["power"] != "running":
                await self._apply(key, part, self.hypervisor.make)
            else:
                async with self.slots:
                    await self._apply(key, part, self.hypervisor.make)
            if part["desired"] == "absent":
                async with self.ports_changed:
                    self.ports_changed.notify_all()
            if id not in self.server_again:
                self.server_tasks.pop(id, None)
                return

    async def _ports_ready(self, id: str, part: dict) -> bool:
        """Wait for the server's ports; False when the part changed meanwhile."""
        wanted = [("port", nic["port_id"]) for nic in part["nics"]]

        def ready() -> bool:
            return id in self.server_again or all(key in self.applied for key in wanted)

        if not ready():
            async with self.ports_changed:
                try:
                    async with asyncio.timeout(5.0):
                        await self.ports_changed.wait_for(ready)
                except TimeoutError:
                    pass
        return id not in self.server_again

    # applying

    async def _apply(self, key: Key, part: dict, make: Callable[[dict], Awaitable[dict]]) -> None:
        try:
            fact = await make(part)
        except Retry as reason:
            self._failed(key, part, str(reason), retry=True)
        except Broken as reason:
            self._failed(key, part, str(reason), retry=False)
        except asyncio.CancelledError:
            raise
        except Exception as reason:
            log.error("%s %s on host %s: %s", *key, self.host, traceback.format_exc())
            self._failed(key, part, f"{type(reason).__name__}: {reason}", retry=True)
        else:
            self.failures.pop(key, None)
            self.problems.pop(key, None)
            self.applied[key] = part["version"]
            self._say(fact)

    def _failed(self, key: Key, part: dict, words: str, retry: bool) -> None:
        self.problems[key] = words
        count = self.failures[key] = self.failures.get(key, 0) + 1
        fact = {
            "kind": key[0],
            "id": key[1],
            "version": part["version"],
            "desired": part["desired"],
            "state": "unknown",
            "error": words,
            "retry": retry,
            "attempts": count,
        }
        if key[0] == "server":
            fact["place"] = part["place"]
        self._say(fact)
        if retry or part["desired"] == "absent":
            self._retry(key, words, min(0.25 * 2.0 ** min(count, 12), LONGEST_PAUSE))

    def _retry(self, key: Key, words: str, seconds: float) -> None:
        def again() -> None:
            if key in self.parts:
                self._queue(key)

        self._later(seconds, again)

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        handle: asyncio.TimerHandle

        def due() -> None:
            self.later.discard(handle)
            function()

        handle = asyncio.get_running_loop().call_later(seconds, due)
        self.later.add(handle)

    # facts out

    def _say(self, fact: dict) -> None:
        self.outbox.append(fact)
        self.outbox_hint.set()

    async def _post(self) -> None:
        pause = 0.1
        while True:
            await self.outbox_hint.wait()
            self.outbox_hint.clear()
            facts, self.outbox = self.outbox, []
            try:
                answer = await self.transport.report({"host": self.host, "facts": facts})
                pause = 0.1
                await self._answered(facts, dict(answer["refused"]))
            except Exception as reason:
                log.error("host %s cannot report %s facts: %s", self.host, len(facts), reason)
                self.outbox = facts + self.outbox
                self.outbox_hint.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def _answered(self, facts: list[dict], refused: dict[int, str]) -> None:
        """What was heard is done with. What was refused is looked at again later and told as it is then: a
        fact that is kept and repeated could be older than one that was heard since."""
        before = len(self.refused)
        heard = [fact for position, fact in enumerate(facts) if position not in refused]
        for fact in heard:
            self.refused.pop(_telling(fact), None)
        for position, reason in refused.items():
            self._refused(facts[position], reason)
        self._forget_gone(heard)
        if refused or len(self.refused) != before:
            await self._beat()

    def _refused(self, fact: dict, reason: str) -> None:
        telling = kind, id, by_itself = _telling(fact)
        if (kind, id) not in self.parts:
            return
        tried = self.refused[telling]["tried"] + 1 if telling in self.refused else 1
        self.refused[telling] = {"kind": kind, "id": id, "tried": tried, "reason": reason}

        def again() -> None:
            if telling not in self.refused:
                return
            if by_itself:
                self._guest_changed(id)
            else:
                self._queue((kind, id))

        self._later(min(0.5 * 2.0 ** min(tried, 12), LONGEST_PAUSE), again)

    def _forget_gone(self, facts: list[dict]) -> None:
        """What was reported absent, and heard, needs no watching any more."""
        for fact in facts:
            key = (fact["kind"], fact["id"])
            part = self.parts.get(key)
            if fact["state"] == "absent" and part is not None and part["desired"] == "absent":
                self._forget(key)

    def _guest_changed(self, id: str) -> None:
        """A guest changed by itself: tell what is, touch nothing."""
        self.tasks = [task for task in self.tasks if not task.done()]
        self.tasks.append(asyncio.create_task(self._tell(id)))

    async def _tell(self, id: str) -> None:
        found = await self.hypervisor.look()
        part = self.parts.get(("server", id))
        if part is not None and id in found and id not in self.server_tasks:
            self._say({**found[id], "by_itself": True})

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._beat()

    async def _beat(self) -> None:
        try:
            await self.transport.beat(self.host, None, list(self.refused.values()))
        except Exception as reason:
            log.error("host %s: heartbeat: %s", self.host, reason)

    async def _watch(self) -> None:
        """Look at the whole world at start and every minute."""
        await asyncio.sleep(1.0)
        while True:
            try:
                await self.look()
            except asyncio.CancelledError:
                raise
            except Exception:
                log.error("host %s: look: %s", self.host, traceback.format_exc())
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> list[dict]:
        """Compare the world with the parts: what is missing is made again, what no part names is reported
        (returned) and left alone."""
        servers = await self.hypervisor.look()
        others = await self.networks.look()
        unknown = [
            {"kind": "server", "id": id, "power": fact.get("power")}
            for id, fact in servers.items()
            if ("server", id) not in self.parts
        ]
        unknown += [{"kind": kind, "id": id} for kind, id in others if (kind, id) not in self.parts]
        for key in list(self.parts):
            here = key[1] in servers if key[0] == "server" else key in others
            if not here and key in self.applied and self.parts[key]["desired"] == "present":
                self._queue(key)
        await self.transport.beat(self.host, unknown)
        return unknown

    # questions

    async def answer(self, kind: str, id: str, question: str, args: dict) -> Any:
        """A question about a part: raises LookupError when this host knows nothing of it."""
        if kind != "server":
            raise LookupError(f"a host answers questions about servers, not about a {kind}")
        return await self.hypervisor.ask(id, question, args)
