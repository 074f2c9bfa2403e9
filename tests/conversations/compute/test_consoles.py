"""Consoles: the URL, the token, and the websocket that carries bytes to a guest's host and back."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import websockets
from tests.conftest import PLAIN, World
from websockets.sync.client import connect

from monostack import testing
from monostack.compute.consoles import pages, proxy


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with testing.cloud() as cloud:
        yield World(cloud)


@pytest.fixture
def server(demo):
    return demo.server()


class Guest:
    """A guest's console as its host offers it: a UNIX socket, here one that greets and then echoes."""

    def __init__(self, path: Path) -> None:
        self.path, self.server = path, None

    async def talk(self, reader, writer) -> None:
        writer.write(b"RFB 003.008\n")
        while data := await reader.read(100):
            if data == b"bye":
                break
            writer.write(b"you said " + data)
        writer.close()

    async def open(self) -> None:
        self.server = await asyncio.start_unix_server(self.talk, str(self.path))

    async def close(self) -> None:
        self.server.close()


@pytest.fixture
def guest(world):
    """Let the host answer with a console that is really there."""
    cloud = world.cloud
    with tempfile.TemporaryDirectory() as folder:
        guest = Guest(Path(folder) / "console")
        cloud.run(guest.open())
        before = dict(cloud.cloud.hub.answerers)

        async def answer(kind, server_id, question, args):
            assert question in ("vnc", "serial")
            return {"unix": str(guest.path)}

        cloud.cloud.hub.answerers.update(dict.fromkeys(before, answer))
        yield guest
        cloud.cloud.hub.answerers.update(before)
        cloud.run(guest.close())


def ask(caller, server, protocol="vnc", kind="novnc", expected=200, **options):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    path = f"/servers/{server['id']}/remote-consoles"
    return caller.ask("POST", path, expected, body, promise="remote_consoles.create", **options)[
        "remote_console"
    ]


def token_of(url):
    query = parse_qs(urlsplit(url).query)
    return query["token"][0] if "token" in query else query["path"][0].partition("token=")[2]


def websocket(world, url, **options):
    """What noVNC makes of its page's URL: the websocket at the same host, below the path it was given."""
    parts = urlsplit(url)
    if parts.scheme == "ws":
        return connect(url, proxy=None, **options)
    path = parse_qs(parts.query)["path"][0]
    return connect(f"ws://{parts.netloc}/{path}", proxy=None, **options)


def reason_of(talk):
    with pytest.raises(websockets.ConnectionClosed):
        talk.recv(timeout=5)
    return talk.close_code, talk.close_reason


def refuses(world, url, **options):
    """Whether the websocket is refused before anything is said."""
    with pytest.raises(websockets.InvalidStatus) as refusal:
        websocket(world, url, **options)
    return refusal.value.response.status_code == 403 and not refusal.value.response.body


# The URL


def test_a_screen_is_a_page_with_a_token(demo, server, world):
    console = ask(demo, server)
    assert (console["protocol"], console["type"]) == ("vnc", "novnc")
    assert console["url"].startswith(f"{world.cloud.url}/novnc/vnc_auto.html?path=novnc%2F%3Ftoken%3D")


def test_a_serial_line_is_a_websocket_with_a_token(demo, server, world):
    console = ask(demo, server, "serial", "serial")
    assert console["url"].startswith(f"ws://127.0.0.1:{world.cloud.port}/serial/?token=")


@pytest.mark.parametrize(
    ("action", "kind", "promise"),
    [
        ("os-getVNCConsole", "novnc", "get_vnc_console"),
        ("os-getSerialConsole", "serial", "get_serial_console"),
    ],
)
def test_before_2_6_consoles_are_actions(demo, server, action, kind, promise):
    path, body = f"/servers/{server['id']}/action", {action: {"type": kind}}
    console = demo.post(path, body, version="2.5", promise=f"remote_consoles.{promise}")["console"]
    assert console["type"] == kind
    demo.post(path, body, 404, version="2.6")
    demo.post(f"/servers/{server['id']}/remote-consoles", {}, 404, version="2.5")


def test_spice_is_not_there_and_the_words_say_what_is(demo, server):
    path, body = f"/servers/{server['id']}/action", {"os-getSPICEConsole": {"type": "spice-html5"}}
    words = demo.refused("POST", path, 400, body, version="2.1")
    assert words == "Unavailable console type spice-html5. This cloud has: novnc, serial."


@pytest.mark.parametrize(
    ("protocol", "kind", "words"),
    [
        ("spice", "spice-html5", "Unavailable console type spice-html5"),
        ("vnc", "xvpvnc", "Unavailable console type xvpvnc"),
        ("vnc", "serial", "Invalid console type serial for the protocol vnc"),
        ("vnc", "telnet", "telnet"),
        ("morse", "novnc", "morse"),
    ],
)
def test_what_is_no_console_is_refused_in_words(demo, server, protocol, kind, words):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    assert words in demo.refused("POST", f"/servers/{server['id']}/remote-consoles", 400, body)


def test_another_projects_console_is_not_there(stranger, server):
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    stranger.post(f"/servers/{server['id']}/remote-consoles", body, 404)


def test_a_server_on_no_host_has_no_console(demo, admin):
    flavor = {"flavor": {"name": "huge", "ram": 1 << 30, "vcpus": 1, "disk": 1, "id": "huge"}}
    admin.post("/flavors", flavor)
    admin.put(f"/os-quota-sets/{demo.project_id()}", {"quota_set": {"ram": -1}})
    server = demo.server(wait=None, flavorRef="huge")
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    assert (
        demo.refused("POST", f"/servers/{server['id']}/remote-consoles", 409, body)
        == "Instance not yet ready"
    )


# The token


def test_an_administrator_learns_where_a_token_leads(demo, admin, server):
    token = token_of(ask(demo, server)["url"])
    console = admin.get(f"/os-console-auth-tokens/{token}", promise="console_auth_tokens.show")["console"]
    assert console["instance_uuid"] == server["id"]
    assert console["port"] == 6080
    assert console["tls_port"] is None
    older = admin.get(f"/os-console-auth-tokens/{token}", version="2.98", promise="console_auth_tokens.show")
    assert "tls_port" not in older["console"]
    admin.get(f"/os-console-auth-tokens/{token}", 401, version="2.30")
    demo.get(f"/os-console-auth-tokens/{token}", 403)
    admin.get("/os-console-auth-tokens/guessed", 404)


def test_a_token_is_stored_as_a_hash(demo, server, world):
    from monostack.compute.consoles.tokens import TOKENS

    token = token_of(ask(demo, server)["url"])
    (row,) = world.cloud.read(lambda db: db.all(TOKENS))
    assert token not in str(row)


def test_a_token_ends_after_ten_minutes(demo, server, world, guest):
    url = ask(demo, server)["url"]
    world.cloud.clock.advance(minutes=11)
    world.tokens.clear()
    assert refuses(world, url)


# The websocket


@pytest.mark.parametrize("kind", [("vnc", "novnc"), ("serial", "serial")])
def test_bytes_go_both_ways(demo, server, world, guest, kind):
    url = ask(demo, server, *kind)["url"]
    with websocket(world, url, subprotocols=["binary"]) as talk:
        assert talk.subprotocol == "binary"
        assert talk.recv(timeout=5) == b"RFB 003.008\n"
        talk.send(b"hello")
        assert talk.recv(timeout=5) == b"you said hello"
        talk.send("text")
        assert talk.recv(timeout=5) == b"you said text"


def test_a_client_without_subprotocol_is_served_too(demo, server, world, guest):
    with websocket(world, ask(demo, server)["url"]) as talk:
        assert talk.subprotocol is None
        assert talk.recv(timeout=5) == b"RFB 003.008\n"


def test_when_the_guest_ends_the_websocket_says_so(demo, server, world, guest):
    with websocket(world, ask(demo, server)["url"]) as talk:
        talk.recv(timeout=5)
        talk.send(b"bye")
        assert reason_of(talk) == (1000, "The console of the server ended.")


def test_a_token_opens_only_its_kind_of_console(demo, server, world, guest):
    token = token_of(ask(demo, server)["url"])
    assert refuses(world, f"ws://127.0.0.1:{world.cloud.port}/serial/?token={token}")


@pytest.mark.parametrize("query", ["", "?token=", "?token=guessed", "?path=%3Ftoken%3Dguessed"])
def test_without_a_good_token_nothing_is_opened(world, guest, query):
    assert refuses(world, f"ws://127.0.0.1:{world.cloud.port}/novnc/{query}")


def test_a_deleted_servers_token_opens_nothing(demo, server, world, guest):
    url = ask(demo, server)["url"]
    demo.delete(f"/servers/{server['id']}")
    demo.until_gone(server["id"])
    assert refuses(world, url)


def test_what_the_host_cannot_open_is_said_in_its_words(demo, server, world):
    with websocket(world, ask(demo, server)["url"]) as talk:
        words = "A simulated server has no screen and no serial line to connect to."
        assert reason_of(talk) == (1011, words)


def test_a_page_of_another_host_is_turned_away(demo, server, world, guest):
    url = ask(demo, server)["url"]
    for origin in ("http://evil.example", "null", "file://127.0.0.1"):
        assert refuses(world, url, origin=origin)
    with websocket(world, url, origin=world.cloud.url) as talk:
        assert talk.recv(timeout=5) == b"RFB 003.008\n"


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        ({}, True),
        ({"origin": "http://cloud.example", "host": "cloud.example:6080"}, True),
        ({"origin": "https://cloud.example:443", "host": "cloud.example:6080"}, True),
        ({"origin": "http://[::1]:6080", "host": "[::1]:6080"}, True),
        ({"origin": "http://other.example", "host": "cloud.example"}, False),
        ({"origin": "http://cloud.example.other", "host": "cloud.example"}, False),
        ({"origin": "ftp://cloud.example", "host": "cloud.example"}, False),
        ({"origin": "", "host": "cloud.example"}, False),
        ({"origin": "http://cloud.example"}, False),
    ],
)
def test_an_origin_must_be_the_host_itself(headers, good):
    assert proxy.same_origin(headers) is good


def test_the_other_services_have_no_websocket(world):
    with pytest.raises(websockets.InvalidStatus):
        connect(f"ws://127.0.0.1:{world.cloud.port}/compute/", proxy=None)


# The page


def test_the_page_is_there_whether_or_not_novnc_is_installed(world):
    answer = PLAIN.get(f"{world.cloud.url}/novnc/vnc_auto.html")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "noVNC" in answer.text
    assert PLAIN.get(f"{world.cloud.url}/novnc/nothing.js").status_code == 404
    assert "websocket" in PLAIN.get(f"{world.cloud.url}/serial/").text


def test_files_are_found_inside_of_novncs_folder_only(tmp_path):
    folder = tmp_path / "novnc"
    (folder / "core").mkdir(parents=True)
    (folder / "vnc_lite.html").write_text("page")
    (folder / "core" / "rfb.js").write_text("code")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    assert pages.find("vnc_auto.html", folder).name == "vnc_lite.html"
    assert pages.find("core/rfb.js", folder).read_text() == "code"
    for name in ("../secret", "/etc/passwd", "link", "core", "core/../../secret", "nothing"):
        assert pages.find(name, folder) is None
