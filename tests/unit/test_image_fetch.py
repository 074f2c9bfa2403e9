"""Fetching from URLs that users give: where it may lead, and how it ends."""

from __future__ import annotations

import http.server
import socket
import threading

import pytest

from monostack.image import fetch
from monostack.image.fetch import Unreachable


@pytest.fixture
def server(monkeypatch):
    """A web server on loopback that answers with what `answers` says for a path."""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 - the library's name
            status, headers, body = answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    monkeypatch.setattr(fetch, "PORTS", {"http": served.server_port})
    served.answers = answers
    served.url = f"http://somewhere.example:{served.server_port}"
    yield served
    served.shutdown()
    served.server_close()


@pytest.fixture
def names(monkeypatch):
    """Addresses of names, instead of the resolver's."""
    known: dict[str, str] = {"somewhere.example": "127.0.0.1"}

    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], port))]

    monkeypatch.setattr(fetch.socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def open_house(monkeypatch):
    """Judges addresses as ever, but takes loopback for a foreign network."""
    judge = fetch._check_address
    monkeypatch.setattr(fetch, "_check_address", lambda text: None if text == "127.0.0.1" else judge(text))


async def read(url: str) -> bytes:
    return b"".join([piece async for piece in fetch.chunks(url)])


async def test_data_come_whole(server, names, open_house):
    server.answers["/x?y=1"] = (200, {"Content-Length": "100000"}, b"x" * 100_000)
    assert await read(server.url + "/x?y=1") == b"x" * 100_000


async def test_data_without_a_length_end_with_the_connection(server, names, open_house):
    server.answers["/"] = (200, {}, b"data")
    assert await read(server.url) == b"data"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1", "fe80::1%eth0"]
)
async def test_a_name_of_an_address_within_is_refused(names, monkeypatch, address):
    names["inside.example"] = address
    with pytest.raises(Unreachable, match="not an address that images are fetched from"):
        await read("http://inside.example/")


async def test_a_redirect_is_judged_like_the_first_address(server, names, open_house):
    server.answers["/"] = (302, {"Location": "http://169.254.169.254/latest"}, b"")
    with pytest.raises(Unreachable):
        await read(server.url + "/")
    server.answers["/"] = (302, {"Location": "file:///etc/passwd"}, b"")
    with pytest.raises(Unreachable, match="https://host/path"):
        await read(server.url + "/")
    names["inside.example"] = "169.254.169.254"
    server.answers["/"] = (302, {"Location": f"http://inside.example:{server.server_port}/"}, b"")
    with pytest.raises(Unreachable, match="169.254.169.254"):
        await read(server.url + "/")


async def test_the_connection_goes_to_the_address_that_was_judged(server, names, open_house, monkeypatch):
    server.answers["/"] = (200, {}, b"data")
    asked = []
    resolve = fetch.socket.getaddrinfo

    def counted(host, port, **options):
        asked.append(host)
        return resolve(host, port, **options)

    monkeypatch.setattr(fetch.socket, "getaddrinfo", counted)
    assert await read(server.url + "/") == b"data"
    assert asked == ["somewhere.example"]


async def test_a_server_that_hardly_answers_is_given_up(server, names, open_house, monkeypatch):
    monkeypatch.setattr(fetch, "PATIENCE", -1.0)
    monkeypatch.setattr(fetch, "SLOWEST", 10**15)
    server.answers["/"] = (200, {}, b"drop")
    with pytest.raises(Unreachable, match="too slowly"):
        await read(server.url + "/")


async def test_a_host_that_is_not_there_is_told(names, open_house, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(fetch, "PORTS", {"http": port})
    with pytest.raises(Unreachable, match="cannot be reached"):
        await read(f"http://somewhere.example:{port}/")


async def test_an_operator_may_name_places_that_are_otherwise_refused(server, monkeypatch):
    server.answers["/data"] = (200, {}, b"data")
    port = server.server_port
    monkeypatch.setattr(fetch, "PORTS", {"http": 80})
    url, also = f"http://127.0.0.1:{port}/data", fetch.Rules(also=(f"127.0.0.1:{port}",))
    with pytest.raises(Unreachable):
        fetch.check(url)
    fetch.check(url, also)
    assert b"".join([piece async for piece in fetch.chunks(url, also)]) == b"data"
    with pytest.raises(Unreachable):
        fetch.check(f"http://127.0.0.2:{port}/data", also)


@pytest.mark.parametrize(
    ("rules", "url", "word"),
    [
        ({}, "http://host/", None),
        ({}, "http://host:8080/", "port 8080"),
        ({}, "https://host:80/", "port 80"),
        ({"allowed_ports": ("8080",)}, "http://host:8080/", None),
        ({"allowed_ports": ("8080",)}, "http://host/", "port 80"),
        ({"disallowed_ports": ("22",)}, "http://host:8080/", None),
        ({"disallowed_ports": ("22",)}, "http://host:22/", "port 22"),
        ({"allowed_ports": ("22",), "disallowed_ports": ("22",)}, "http://host:22/", None),
        ({"allowed_schemes": ("https",)}, "http://host/", "scheme http"),
        ({"allowed_schemes": ("file",)}, "file:///etc/passwd", "https://host/path"),
        ({"disallowed_schemes": ("http",)}, "http://host/", "scheme http"),
        ({"allowed_hosts": ("good",)}, "http://good/", None),
        ({"allowed_hosts": ("good",)}, "http://GOOD./", None),
        ({"allowed_hosts": ("good",)}, "http://bad/", "host bad"),
        ({"disallowed_hosts": ("bad",)}, "http://bad./", "host bad"),
        ({"allowed_hosts": ("127.0.0.1",)}, "http://127.0.0.1/", "not an address"),
        ({}, "http://host/a b", "blanks"),
        ({}, "http://host/\r\nHost: other", "blanks"),
    ],
)
def test_an_operator_says_what_is_fetched_from(rules, url, word):
    allowed = fetch.Rules(**rules)
    if word is None:
        fetch.check(url, allowed)
        return
    with pytest.raises(Unreachable, match=word):
        fetch.check(url, allowed)
