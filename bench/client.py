"""A load of prebuilt requests over keep-alive connections, light enough not to be what is measured.

Each connection sends a request, reads the whole answer by its Content-Length, sends the next. Load goes to
loopback only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop


@dataclass
class Result:
    """What a load saw: seconds for each answer, and how many were not as expected."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    example: bytes = b""

    @property
    def count(self) -> int:
        return len(self.latencies)

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000 if ordered else 0.0


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection(asyncio.Protocol):
    def __init__(self, following: Callable[[], bytes | None], expected: bytes, result: Result, done) -> None:
        self.following, self.expected, self.result, self.done = following, expected, result, done
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self._next()

    def _next(self) -> None:
        data = self.following()
        if data is None:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.sent = time.perf_counter()
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self.buffer[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < head + 4 + length:
            return
        self.result.latencies.append(time.perf_counter() - self.sent)
        if self.buffer[9:12] != self.expected:
            self.result.wrong += 1
            self.result.example = self.buffer[:600]
        self.buffer = self.buffer[head + 4 + length :]
        self._next()

    def connection_lost(self, reason) -> None:
        if not self.done.done():
            self.done.set_result(None)


def load(
    port: int,
    make: Callable[[int], bytes],
    count: int,
    connections: int = 16,
    expected: int = 200,
    seconds: float = 30.0,
) -> Result:
    """`count` requests, `make(n)` each, over so many connections, for at most so many seconds."""
    result = Result()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        number = iter(range(count))
        end = time.perf_counter() + seconds

        def following() -> bytes | None:
            if time.perf_counter() > end:
                return None
            n = next(number, None)
            return None if n is None else make(n)

        waits = []
        for _ in range(connections):
            done = loop.create_future()
            await loop.create_connection(
                lambda done=done: Connection(following, str(expected).encode(), result, done),
                "127.0.0.1",
                port,
            )
            waits.append(done)
        started = time.perf_counter()
        await asyncio.gather(*waits)
        result.seconds = time.perf_counter() - started

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return result
