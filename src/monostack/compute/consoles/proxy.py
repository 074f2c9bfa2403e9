"""The websocket: bytes between a browser and a console of a guest.

A browser sends the page's origin with a websocket, and any page may try to open one; so the origin must be
this very host, or a page elsewhere could use the console of whoever visits it. What is not a browser sends
none. The guest's console is opened before the handshake: whatever keeps it shut is a plain 403 with words,
and who has no good token never gets as far as a frame.

Source: RFC 6455, sections 4.2.2 and 10.2; the "binary" subprotocol is what noVNC and its like offer.
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
NORMAL = 1000

log = logging.getLogger(__name__)


class Refused(Exception):
    """The console cannot be opened; the words say why."""


def proxy(kind: str) -> Callable[..., Awaitable[None]]:
    """The websocket handler of a port for one kind of console."""

    async def talk(cloud, scope, receive, send) -> None:
        await receive()
        token = _token(scope)
        scope["query_string"] = b""  # the server logs what is left here, and the token opens the console
        try:
            reader, writer = await _connect(cloud, kind, token, _headers(scope))
        except Refused as reason:
            await _refuse(scope, send, str(reason))
            return
        try:
            offered = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": offered})
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


async def _connect(
    cloud, kind: str, token: str, headers: dict[str, str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The console that a token opens; raises Refused."""
    if not same_origin(headers):
        raise Refused("The page that asks for this console comes from another host.")
    found = await cloud.engine.read(tokens.server_of, token, kind) if token else None
    if found is None:
        raise Refused("The token is invalid or has expired. Ask for a new console.")
    server, _ = found
    try:
        where = await cloud.hub.ask(server["host"], "server", server["id"], QUESTIONS[kind], {})
        return await asyncio.open_unix_connection(where["unix"])
    except Error as reason:
        raise Refused(reason.message) from None
    except LookupError as reason:
        raise Refused(
            str(reason.args[0]) if reason.args else "The host knows nothing of the server."
        ) from None
    except OSError as reason:
        raise Refused(f"The host does not let the console be opened: {reason.strerror}.") from None


async def _refuse(scope, send, words: str) -> None:
    """No handshake: 403, with the words where the HTTP server can carry them."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    body = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


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
        await send({"type": "websocket.close", "code": NORMAL, "reason": "The console of the server ended."})


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
