"""Fetching data from a URL that a user gave, without becoming his hand inside the operator's network.

Only http and https on their own ports; no address of this machine or of the link, where metadata services
live. The name is resolved once, every address is judged, and the connection goes to the address that was
judged, so a name that answers differently the second time gains nothing. Redirects are followed by the same
rules. An operator narrows or widens schemes, hosts and ports (`Rules`), and may name places, HOST:PORT each,
that are allowed as they stand, whatever their address is (`image.fetch_also_from`).
"""

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from monostack.settings import Image

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


class Gone(Unreachable):
    """The server says that there is nothing."""


@dataclass(frozen=True)
class Rules:
    """Where data may be fetched from: allowed lists go before the disallowed, and empty ones mean what is
    customary. `also` has the places, HOST:PORT, that are allowed as they stand."""

    also: tuple[str, ...] = ()
    allowed_schemes: tuple[str, ...] = ()
    disallowed_schemes: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    disallowed_hosts: tuple[str, ...] = ()
    allowed_ports: tuple[str, ...] = ()
    disallowed_ports: tuple[str, ...] = ()


CUSTOMARY = Rules()


def rules(settings: Image) -> Rules:
    """The operator's rules."""
    return Rules(
        settings.fetch_also_from,
        settings.allowed_schemes,
        settings.disallowed_schemes,
        settings.allowed_hosts,
        settings.disallowed_hosts,
        settings.allowed_ports,
        settings.disallowed_ports,
    )


def check(url: Any, allowed: Rules = CUSTOMARY) -> None:
    """Refuse what is no URL of another machine, or not of an allowed one; names are judged when they are
    resolved."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, TypeError, AttributeError):
        raise Unreachable("The URI is not one.") from None
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        raise Unreachable("The URI must look like https://host/path, without a user or password.")
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise Unreachable("The URI has blanks or control characters in it.")
    if _place(url) in allowed.also:
        return
    _check_rules(parts.scheme, parts.hostname.rstrip("."), port or PORTS[parts.scheme], allowed)
    try:
        _check_address(parts.hostname)
    except ValueError:
        return


def _check_rules(scheme: str, host: str, port: int, allowed: Rules) -> None:
    schemes = allowed.allowed_schemes or PORTS
    if scheme not in schemes or (not allowed.allowed_schemes and scheme in allowed.disallowed_schemes):
        raise Unreachable(f"The scheme {scheme} is not allowed.")
    named = host in allowed.allowed_hosts if allowed.allowed_hosts else host not in allowed.disallowed_hosts
    if not named:
        raise Unreachable(f"The host {host[:255]} is not allowed.")
    if allowed.allowed_ports:
        open_port = str(port) in allowed.allowed_ports
    elif allowed.disallowed_ports:
        open_port = str(port) not in allowed.disallowed_ports
    else:
        open_port = port == PORTS[scheme]
    if not open_port:
        raise Unreachable(f"The URI names port {port}, which is not allowed for {scheme}.")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"


def _check_address(text: str) -> None:
    """Refuse addresses of this machine and of its links; raises ValueError for what is no address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        raise Unreachable(f"{address} is not an address that images are fetched from.")


async def chunks(
    url: str, allowed: Rules = CUSTOMARY, headers: Mapping[str, str] | None = None
) -> AsyncIterator[bytes]:
    """The data behind a URL, piece by piece; raises Unreachable in words."""
    response, connection = await _in_thread(_open, url, allowed, headers)
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


def ranged(url: str, allowed: Rules, first: int, length: int) -> Iterator[bytes]:
    """Bytes behind a URL from the byte `first` on, in a thread of the caller's; raises Unreachable."""
    asked = {"Range": f"bytes={first}-{first + length - 1}"} if first else None
    response, connection = _open(url, allowed, asked, (200, 206))
    try:
        skip = first if response.status == 200 else 0
        while length > 0:
            piece = _read(response)
            if not piece:
                raise Unreachable(f"The data ended {length} bytes too early.")
            piece, skip = piece[skip:], max(skip - len(piece), 0)
            if piece:
                yield piece[:length]
            length -= len(piece)
    finally:
        connection.close()


def length(url: str, allowed: Rules) -> int | None:
    """The count of bytes behind a URL, None if the server does not tell; raises Gone if there is nothing."""
    response, connection = _open(url, allowed, None, (200,), "HEAD")
    connection.close()
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None


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


def _open(
    url: str,
    allowed: Rules = CUSTOMARY,
    headers: Mapping[str, str] | None = None,
    wanted: tuple[int, ...] = (200,),
    method: str = "GET",
) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
    for _ in range(MOST_REDIRECTS + 1):
        check(url, allowed)
        connection = _connect(url, judge=_place(url) not in allowed.also)
        try:
            response = _ask(connection, url, headers or {}, method)
        except BaseException:
            connection.close()
            raise
        if response.status in wanted:
            return response, connection
        target = response.headers.get("Location") if response.status in REDIRECTS else None
        connection.close()
        if response.status in (404, 410):
            raise Gone(f"{urlsplit(url).hostname} answered {response.status} {response.reason}.")
        if target is None:
            raise Unreachable(f"{urlsplit(url).hostname} answered {response.status} {response.reason}.")
        if headers and "X-Auth-Token" in headers:
            raise Unreachable("A redirect is not followed with a token.")
        url = urljoin(url, target)
    raise Unreachable(f"More than {MOST_REDIRECTS} redirects.")


def _ask(
    connection: http.client.HTTPConnection, url: str, headers: Mapping[str, str], method: str
) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        own = {"User-Agent": "monostack", "Accept-Encoding": "identity"}
        connection.request(method, path, headers=own | dict(headers))
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
