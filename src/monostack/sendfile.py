"""Files go from the disk to the socket inside the kernel, not through this program.

uvicorn knows no way for that (ASGI would call it `http.response.zerocopysend`), so this reaches behind the
`send` that it gave for the connection, the one place where its insides are touched; whatever looks otherwise
there than expected, and every encrypted connection, is served piece by piece as ever. Reading may wait for a
disk and is done in a thread; waiting for a slow caller costs none.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, BinaryIO

PIECE = 4 << 20


async def sendfile(send: Any, source: BinaryIO, offset: int, length: int) -> int:
    """Send bytes of a file after the headers have been sent; how many were. What is left is for the caller to
    send otherwise; raises ConnectionError when the other side is gone."""
    cycle: Any = getattr(send, "__self__", None)
    transport: Any = getattr(cycle, "transport", None)
    plain = transport is not None and transport.get_extra_info("sslcontext") is None
    connection = transport.get_extra_info("socket") if plain else None
    if transport is None or connection is None or getattr(cycle, "chunked_encoding", True) is not False:
        return 0
    while transport.get_write_buffer_size():
        if cycle.disconnected:
            raise ConnectionResetError("the caller went away")
        await asyncio.sleep(0.001)
    own = os.dup(connection.fileno())
    sent = 0
    try:
        while sent < length:
            if cycle.disconnected:
                raise ConnectionResetError("the caller went away")
            now, full = await asyncio.to_thread(_send, own, source.fileno(), offset + sent, length - sent)
            sent += now
            cycle.expected_content_length -= now
            if full:
                await _writable(own)
            elif not now:
                break
        return sent
    finally:
        os.close(own)


def _send(connection: int, source: int, offset: int, length: int) -> tuple[int, bool]:
    """How many bytes went, and whether the connection takes no more for now."""
    sent, most = 0, min(length, PIECE)
    while sent < most:
        try:
            now = os.sendfile(connection, source, offset + sent, most - sent)
        except BlockingIOError:
            return sent, True
        if not now:
            break
        sent += now
    return sent, False


async def _writable(connection: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(connection)
