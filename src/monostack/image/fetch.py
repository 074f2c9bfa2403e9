"""Fetching data from a URL that a user gave, without becoming his hand inside the operator's network.

Only http and https on their own ports; no address of this machine or of the link, where metadata services
live. The name is resolved once, every address is judged, and the connection goes to the address that was
judged, so a name that answers differently the second time gains nothing. Redirects are followed by the same
rules. An operator may name further places, HOST:PORT each, that are allowed as they stand
(`image.fetch_also_from`).
"""

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
TIMEOUT = 30.0
CHUNK = 1 << 20
MOST_AT_ONCE = 8
PATIENCE = 60.0
SLOWEST = 10_000
"""Bytes a second, on the average, that a server must send after `PATIENCE` seconds."""


class Unreachable(Exception):
    """The data cannot be had from there; the words say why."""


def check(url: Any, also: Iterable[str] = ()) -> None:
    """Refuse what is no URL of another machine; names are judged when they are resolved. `also` has the
    places, HOST:PORT, that are allowed besides."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, TypeError, AttributeError):
        raise Unreachable("The URI is not one.") from None
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        raise Unreachable("The URI must look like https://host/path, without a user or password.")
    if _place(url) in also:
        return
    if port not in (None, PORTS[parts.scheme]):
        raise Unreachable(
            f"The URI names port {port}: only {PORTS[parts.scheme]} is allowed for {parts.scheme}."
        )
    try:
        _check_address(parts.hostname)
    except ValueError:
        return


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"


def _check_address(text: str) -> None:
    """Refuse addresses of this machine and of its links; raises ValueError for what is no address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        raise Unreachable(f"{address} is not an address that images are fetched from.")


async def chunks(url: str, also: Iterable[str] = ()) -> AsyncIterator[bytes]:
    """The data behind a URL, piece by piece; raises Unreachable in words."""
    response, connection = await _in_thread(_open, url, also)
    try:
        expected, total, started = response.length, 0, time.monotonic()
        while piece := await _in_thread(_read, response):
            total += len(piece)
            _check_speed(total, time.monotonic() - started)
            yield piece
        if expected is not None and total != expected:
            raise Unreachable(f"The data ended after {total} of {expected} bytes.")
    finally:
        await _in_thread(connection.close)


async def _in_thread(function: Callable, *args: Any) -> Any:
    """Run in a thread of our own few: a server that hardly answers must not hold the threads of others."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), function, *args)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="image fetch")


def _check_speed(total: int, seconds: float) -> None:
    if seconds > PATIENCE and total < SLOWEST * seconds:
        raise Unreachable(f"The data come too slowly: {total} bytes in {seconds:.0f} seconds.")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as reason:
        raise Unreachable(f"The data broke off: {reason}") from reason


def _open(url: str, also: Iterable[str] = ()) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
    for _ in range(MOST_REDIRECTS + 1):
        check(url, also)
        connection = _connect(url, judge=_place(url) not in also)
        try:
            response = _ask(connection, url)
        except BaseException:
            connection.close()
            raise
        if response.status == 200:
            return response, connection
        target = response.headers.get("Location") if response.status in REDIRECTS else None
        connection.close()
        if target is None:
            raise Unreachable(f"{urlsplit(url).hostname} answered {response.status} {response.reason}.")
        url = urljoin(url, target)
    raise Unreachable(f"More than {MOST_REDIRECTS} redirects.")


def _ask(connection: http.client.HTTPConnection, url: str) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        connection.request("GET", path, headers={"User-Agent": "monostack", "Accept-Encoding": "identity"})
        return connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError, UnicodeError) as reason:
        raise Unreachable(f"{parts.hostname} does not answer: {reason}") from reason


def _connect(url: str, judge: bool = True) -> http.client.HTTPConnection:
    """A connection to an address of the host that was judged."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as reason:
        raise Unreachable(f"The name {host} cannot be resolved: {reason}") from reason
    for *_, address in found if judge else ():
        _check_address(str(address[0]))
    problem: Exception | None = None
    for family, kind, protocol, _, address in found:
        plain = socket.socket(family, kind, protocol)
        plain.settimeout(TIMEOUT)
        try:
            plain.connect(address)
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
            connection.sock = plain
            if parts.scheme == "https":
                connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
                connection.default_port = PORTS["https"]
            return connection
        except OSError as reason:
            plain.close()
            problem = reason
    raise Unreachable(f"{host} cannot be reached: {problem}") from problem
