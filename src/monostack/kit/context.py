"""What a flow holds: short reads and writes between the things it waits for.

No database handle is open across an await: every `read` is a snapshot of its own, every `write` a
transaction.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from monostack.kit.errors import Error

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.request import Request

QUEUE = 64


def _nicer() -> None:
    """CPU work gives way to requests: the threads of the pool run at nice +10."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + 10)


class CpuPool:
    """A bounded pool for work that would hold the event loop: password hashes, key generation."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), "cpu", initializer=_nicer)
        self.waiting = 0

    async def run(self, function: Callable, *args) -> Any:
        """The function's result; raises Error 503 when too much is waiting already."""
        if self.waiting >= QUEUE:
            raise Error(
                503,
                "ServiceUnavailable",
                "Too much is waiting for the processor. Try again in a moment.",
                headers=[("Retry-After", "1")],
            )
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


class Context:
    """The hands of a flow."""

    def __init__(self, cloud: Cloud, request: Request) -> None:
        self.cloud = cloud
        self.request = request
        self._told = False

    async def read(self, function: Callable, *args) -> Any:
        """`function(db, *args)` over one snapshot."""
        return await self.cloud.engine.read(function, *args)

    async def write(self, function: Callable, *args) -> Any:
        """`function(tx, *args)` in one durable transaction; the route's event goes with the first one that
        sets `request.subject`."""
        return await self.cloud.engine.write(self._with_event, function, args)

    def _with_event(self, tx, function: Callable, args: tuple) -> Any:
        from monostack.kit.app import record

        result = function(tx, *args)
        route, request = self.request.route, self.request
        if route.event is not None and request.subject is not None and not self._told:
            record(tx, request)
            tx.after(self._set_told)
        return result

    def _set_told(self) -> None:
        self._told = True

    async def cpu(self, function: Callable, *args) -> Any:
        """`function(*args)` in the bounded pool for CPU work."""
        return await self.cloud.cpu.run(function, *args)

    async def thread(self, function: Callable, *args) -> Any:
        """`function(*args)` in a thread, for files."""
        return await asyncio.to_thread(function, *args)

    async def ask(
        self,
        host: str,
        kind: str,
        id: str,
        question: str,
        args: dict | None = None,  # noqa: A002
        timeout: float = 10.0,
    ) -> Any:
        """Ask the agent of a host; raises Error 409 or 503 in words when it cannot tell."""
        return await self.cloud.hub.ask(host, kind, id, question, args or {}, timeout)

    async def until(self, function: Callable, timeout: float, every: float = 0.1) -> Any:
        """Read until `function(db)` returns something true; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                found = await self.read(function)
                if found:
                    return found
                await asyncio.sleep(every)
