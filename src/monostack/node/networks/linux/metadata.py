"""The listener at 169.254.169.254, once for each namespace from which guests ask.

The listening socket is opened inside the namespace and then served by the program's own loop: a socket
stays in the namespace in which it was opened, so no process has to live in there. Who asks is known by the
network (or, behind a router, the interface) and the source address, which the packet filter keeps honest;
the answer itself is the cloud's business and comes from `answer`.

This is as much of HTTP/1.1 as a cloud's guests use (RFC 9112), with limits, because every guest can reach
it.
"""

import asyncio
import http
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable

import httptools

from monostack.node.networks.linux.firewall import METADATA

PORT = 80
MAX_REQUEST, MAX_CONNECTIONS = 65_536, 64
IDLE_SECONDS = 15.0

Answer = Callable[[str, str, str, dict, bytes], Awaitable[tuple[int, dict, bytes]]]
log = logging.getLogger(__name__)


def listen() -> socket.socket:
    """A listening socket in the namespace in which this thread stands."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((METADATA, PORT))
        listening.listen(128)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def network_of(source: str, networks: list[tuple[ipaddress.IPv4Network, str]]) -> str | None:
    address = ipaddress.ip_address(source)
    for range_, network_id in networks:
        if address in range_:
            return network_id
    return None


class Listener:
    """One listening socket, served until it is closed; `namespace` is the inode of where it was opened."""

    def __init__(self, answer: Answer, namespace: int) -> None:
        self.answer = answer
        self.namespace = namespace
        self.server: asyncio.Server | None = None
        self.talking: set[asyncio.Task] = set()

    async def open(self, listening: socket.socket) -> None:
        self.server = await asyncio.start_server(self._talk, sock=listening)

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
        for task in list(self.talking):
            task.cancel()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.talking.add(task)
        try:
            if len(self.talking) <= MAX_CONNECTIONS:
                await self._converse(reader, writer)
        except (TimeoutError, ConnectionError, asyncio.CancelledError):
            log.debug("A guest's metadata connection ended early.")
        finally:
            self.talking.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        request = Request()
        while True:
            data = await asyncio.wait_for(reader.read(16_384), IDLE_SECONDS)
            if not data:
                return
            try:
                request.feed(data)
            except TooLarge as reason:
                writer.write(reply(413, {}, f"{reason}\n".encode(), False))
                return
            except httptools.HttpParserError:
                writer.write(reply(400, {}, b"This is not a request of HTTP/1.1.\n", False))
                return
            while request.finished:
                method, path, headers, body, keep = request.finished.pop(0)
                status, more, content = await self._ask(source, method, path, headers, body)
                writer.write(reply(status, more, content, keep, bodyless=method == "HEAD"))
                await asyncio.wait_for(writer.drain(), IDLE_SECONDS)
                if not keep:
                    return

    async def _ask(self, source: str, method: str, path: str, headers: dict, body: bytes) -> tuple:
        try:
            return await asyncio.wait_for(self.answer(source, method, path, headers, body), IDLE_SECONDS)
        except Exception:
            log.exception("The metadata of the guest at %s could not be answered.", source)
            return 503, {"retry-after": "1"}, b"The metadata cannot be read now; ask again.\n"


class TooLarge(Exception):
    """More than any guest's request needs."""


class Request:
    """What has arrived of the current request, and those that are complete."""

    def __init__(self) -> None:
        self.finished: list[tuple[str, str, dict, bytes, bool]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.arrived = 0
        self.on_message_begin()

    def feed(self, data: bytes) -> None:
        self.arrived += len(data)
        if self.arrived > MAX_REQUEST:
            raise TooLarge(f"A request may have {MAX_REQUEST} bytes.")
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.arrived = 0
        self.finished.append(
            (
                self.parser.get_method().decode(),
                self.url.decode("latin-1"),
                self.headers,
                bytes(self.body),
                self.parser.should_keep_alive(),
            )
        )


def reply(status: int, headers: dict, body: bytes, keep: bool, bodyless: bool = False) -> bytes:
    known = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Unknown"
    told = {name.lower(): value for name, value in headers.items()}
    told.setdefault("content-type", "text/plain; charset=utf-8")
    told["content-length"] = str(len(body))
    told["connection"] = "keep-alive" if keep else "close"
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} {known}\r\n{head}\r\n".encode("latin-1") + (b"" if bodyless else body)
