"""Simulated networks: the same promises as the real drivers, kept in a dictionary.

A test of the cloud wants a world that it can look into, slow down and break. `world.parts` is that world:
what stands in it was made, what does not stand in it is gone. Faults are asked for by the name of an
operation ("port.make", "router.unmake", "look", "port.plug"), happen a counted number of times, and reach
the agent as the same two errors that a real driver raises.

The world must be able to outlive the program, otherwise nobody could test what happens to it when the
program is killed. With the option `persist` every change is therefore appended to a journal before it
counts as done; at start the journal is read back and written anew without its history. A last line that a
kill cut short never counted as done and is left out.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monostack.kit.crash import point
from monostack.node.errors import Broken, Retry
from monostack.node.networks import KINDS, facts_of
from monostack.node.networks.journal import Journal

JOURNAL = "simulated-network.jsonl"


class World:
    """What exists, and how it misbehaves."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], dict] = {}
        self.plugged: set[str] = set()
        self.calls: dict[str, int] = {}
        self.delays: dict[str, float] = {}
        self.faults: dict[str, list[Exception]] = {}

    def fail(
        self,
        next: str,
        error: str = "The simulated fault that was asked for.",
        times: int = 1,
        retry: bool = False,
    ) -> None:
        """Let the next `times` calls of an operation fail, for good or (`retry`) for the moment."""
        kind = Retry if retry else Broken
        self.faults.setdefault(next, []).extend(kind(error) for _ in range(times))

    def delay(self, operation: str, seconds: float) -> None:
        """Let an operation take that long from now on; 0 ends it."""
        self.delays[operation] = seconds

    async def meet(self, operation: str) -> None:
        """Whatever was arranged for this operation happens here, before anything is changed."""
        self.calls[operation] = self.calls.get(operation, 0) + 1
        seconds = self.delays.get(operation)
        if seconds:
            await asyncio.sleep(seconds)
        waiting = self.faults.get(operation)
        if waiting:
            raise waiting.pop(0)


class SimulatedNetworks:
    """The Networks driver over a world in memory."""

    name = "simulated"

    def __init__(self, state: Path, cloud_id: str, options: dict | None = None) -> None:
        self.options = options or {}
        self.cloud_id = cloud_id
        self.world = World()
        self.journal = Journal(Path(state) / JOURNAL)
        self.metadata: Callable[..., Any] | None = None

    def fail(
        self,
        next: str,
        error: str = "The simulated fault that was asked for.",
        times: int = 1,
        retry: bool = False,
    ) -> None:
        self.world.fail(next, error, times, retry)

    def delay(self, operation: str, seconds: float) -> None:
        self.world.delay(operation, seconds)

    async def start(self) -> dict:
        await self.world.meet("start")
        if self.options.get("persist"):
            self.world.parts.update(self.journal.replay())
            self.journal.compact(self.world.parts)
        return {
            "driver": self.name,
            "config_drive": False,
            "why": "Networks are simulated; no packet is carried.",
        }

    async def look(self) -> dict[tuple[str, str], dict]:
        await self.world.meet("look")
        return {key: facts_of(part) for key, part in self.world.parts.items()}

    async def make(self, part: dict) -> dict:
        kind, id = part["kind"], part["id"]
        if kind not in KINDS:
            raise Broken(f"Networks are made of {', '.join(KINDS)}; a part of kind '{kind}' is none of them.")
        if part.get("desired") == "absent":
            await self.unmake(kind, id)
            return facts_of(part, state="absent")
        await self.world.meet(f"{kind}.make")
        if self.world.parts.get((kind, id)) != part:
            point("simulated.network.make.before")
            self.journal.append(kind, id, part)
            self.world.parts[kind, id] = part
            point("simulated.network.make.after")
        return facts_of(part)

    async def unmake(self, kind: str, id: str) -> bool:
        await self.world.meet(f"{kind}.unmake")
        if (kind, id) in self.world.parts:
            point("simulated.network.unmake.before")
            self.journal.append(kind, id, None)
            del self.world.parts[kind, id]
            self.world.plugged.discard(id)
            point("simulated.network.unmake.after")
        return True

    async def plug(self, port_id: str) -> dict:
        await self.world.meet("port.plug")
        if ("port", port_id) not in self.world.parts:
            raise Retry(f"Port {port_id} has not been made on this host yet.")
        self.world.plugged.add(port_id)
        return {"args": ["-netdev", f"user,id=n-{port_id[:11]},restrict=on"], "fds": []}

    async def unplug(self, port_id: str) -> None:
        await self.world.meet("port.unplug")
        self.world.plugged.discard(port_id)

    async def stop(self) -> None:
        """The world stays as it is; only the journal is closed."""
        self.journal.close()
