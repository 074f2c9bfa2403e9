"""The websocket: bytes between a browser and a console of a guest.

A browser sends the page's origin with a websocket, and any page may try to open one; so the origin must be
this very host, or a page elsewhere could use the console of whoever visits it. What is not a browser sends
none. Who comes from elsewhere or has no good token gets a bare 403 and never a frame; who has one is told in
the close frame's reason what keeps the console shut.

Source: RFC 6455, sections 4.2.2, 7.4 and 10.2; the "binary" subprotocol is what noVNC and its like offer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from monostack.compute.consoles import tokens
from monostack.kit.errors import Error

QUESTIONS = {"novnc": "vnc", "serial": "serial"}
SUBPROTOCOL = "binary"
CHUNK = 65536
NORMAL, FAILED = 1000, 1011
LONGEST_REASON = 120

log = logging.getLogger(__name__)


class Closed(Exception):
    """The host does not open the console; the words say why."""


def proxy(kind: str) -> Callable[..., Awaitable[None]]:
    """The websocket handler of a port for one kind of console."""

    async def talk(cloud, scope, receive, send) -> None:
        await receive()
        token, headers = _token(scope), _headers(scope)
        scope["query_string"] = b""  # the server logs what is left here, and the token opens the console
        server = await _server(cloud, kind, token) if same_origin(headers) else None
        if server is None:
            await send({"type": "websocket.close"})
            return
        offered = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": offered})
        try:
            reader, writer = await _connect(cloud, kind, server)
        except Closed as reason:
            await _close(send, FAILED, str(reason))
            return
        try:
            await _carry(receive, send, reader, writer)
        finally:
            writer.close()

    return talk


def same_origin(headers: dict[str, str]) -> bool:
    """Whether a browser's page came from the host that it now talks to."""
    origin = headers.get("origin")
    if origin is None:
        return True
    page = urlsplit(origin)
    host = urlsplit("//" + headers.get("host", "")).hostname
    return page.scheme in ("http", "https") and page.hostname is not None and page.hostname == host


def _headers(scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _token(scope) -> str:
    """?token=..., or, as some pages hand it on, ?path=...token=..."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if "token" in query:
        return query["token"][0]
    inner = query.get("path", [""])[0].partition("?")[2] or query.get("path", [""])[0]
    return parse_qs(inner).get("token", [""])[0]


async def _server(cloud, kind: str, token: str) -> Any:
    """The server that a token opens, or None."""
    found = await cloud.engine.read(tokens.server_of, token, kind) if token else None
    return found and found[0]


async def _connect(cloud, kind: str, server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The console on the server's host; raises Closed."""
    try:
        where = await cloud.hub.ask(server["host"], "server", server["id"], QUESTIONS[kind], {})
        return await asyncio.open_unix_connection(where["unix"])
    except Error as reason:
        raise Closed(reason.message) from None
    except LookupError as reason:
        raise Closed(
            str(reason.args[0]) if reason.args else "The host knows nothing of the server."
        ) from None
    except OSError as reason:
        raise Closed(f"The host does not let the console be opened: {reason.strerror}.") from None


async def _carry(receive, send, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Both ways, until either side ends."""
    ways = {
        asyncio.create_task(_to_guest(receive, writer), name="console to guest"),
        asyncio.create_task(_from_guest(reader, send), name="console from guest"),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        ended = await asyncio.gather(*ways, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, Exception) and not isinstance(problem, OSError):
            log.error("a console broke: %r", problem)
    if "left" not in ended:
        await _close(send, NORMAL, "The console of the server ended.")


async def _to_guest(receive, writer: asyncio.StreamWriter) -> str:
    while True:
        message: dict[str, Any] = await receive()
        if message["type"] == "websocket.disconnect":
            return "left"
        data = message.get("bytes")
        writer.write(data if data is not None else (message.get("text") or "").encode())
        await writer.drain()


async def _from_guest(reader: asyncio.StreamReader, send) -> str:
    while data := await reader.read(CHUNK):
        await send({"type": "websocket.send", "bytes": data})
    return "ended"


async def _close(send, code: int, words: str) -> None:
    """Close with a reason; a frame has room for 123 bytes of it (RFC 6455, section 5.5)."""
    reason = words.encode()[:LONGEST_REASON].decode(errors="ignore")
    await send({"type": "websocket.close", "code": code, "reason": reason})
