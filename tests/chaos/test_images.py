"""Images cut in two: at every named point of their data's way, and in the middle of commits.

Afterwards every active image has the bytes it should have, every file has its row and every row its file.
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.chaos.victim import GONE, Victim
from tests.data_servers import Ceph, Moto, Peer, Swift

import monostack
from monostack.image.stores import Stores
from monostack.kit import crash
from monostack.settings import Image

DATA = b"the bytes of an image, far away " * 40_000
OCTETS = {"Content-Type": "application/octet-stream"}
POINTS = [
    name
    for name in crash.names(Path(monostack.__file__).parent / "image")
    if not name.startswith(("image.swift.", "image.s3.", "image.rbd."))
]
ALL = os.environ.get("CHAOS_ALL")
CUTS = [(name, nth) for name in POINTS for nth in ((1, 2) if ALL and "fetch" not in name else (1,))]
CUTS += [("db.commit.after", nth) for nth in (range(1, 60) if ALL else (7, 16))]
"""With CHAOS_ALL set, every commit of the life, and points it comes by twice are cut there, too."""


ELSEWHERE = {
    "swift": ("image.swift.manifest.before", "image.swift.manifest.after", "image.swift.remove.after"),
    "s3": (
        "image.s3.put.after",
        "image.s3.complete.before",
        "image.s3.complete.after",
        "image.s3.remove.before",
    ),
    "rbd": (
        "image.rbd.create.after",
        "image.rbd.mark.before",
        "image.rbd.mark.after",
        "image.rbd.unmark.after",
        "image.rbd.remove.after",
    ),
}
"""Points of data in other servers."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A web server with the data; HOST:PORT."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 - the library's name
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Life:
    """What a project does with its images; every step may be repeated."""

    def __init__(self, victim: Victim, web: str, data: bytes = DATA) -> None:
        self.victim = victim
        self.web = web
        self.data = data

    def run(self) -> None:
        steps = (self.upload, self.cache, self.stage, self.copy, self.fetch, self.take_out, self.delete)
        for step in steps:
            self.insist(step)

    def insist(self, step: Callable[[], None]) -> None:
        """A death of the cloud on the way is answered by starting it and repeating the step."""
        deadline = time.monotonic() + 60
        while True:
            try:
                step()
                return
            except GONE:
                assert time.monotonic() < deadline, self.victim.last_words()
                if not self.victim.alive:
                    self.victim.deaths += 1
                    assert self.victim.start(), self.victim.last_words()
                    if self.victim.database:
                        self.victim.client.post("/_cloud/clock", json={"advance": {"seconds": 61}})

    def ask(self, method: str, path: str, *codes: int, **options):
        answer = self.victim.request(method, "image", path, **options)
        assert answer.status_code in codes, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def find(self, name: str) -> dict | None:
        return next(iter(self.ask("GET", f"/images?name={name}", 200).json()["images"]), None)

    def image(self, name: str) -> dict:
        body = {"name": name, "disk_format": "raw", "container_format": "bare"}
        return self.find(name) or self.ask("POST", "/images", 201, json=body).json()

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, self.victim.last_words()
            time.sleep(0.02)

    def settled(self, name: str) -> dict:
        """The image when nothing goes on with it; its data are whole if it has any."""
        self.until(
            lambda: (
                self.find(name)["status"] in ("active", "queued", "uploading")
                and "os_glance_import_task" not in self.find(name)
            )
        )
        found = self.find(name)
        if found["status"] == "active":
            assert self.ask("GET", f"/images/{found['id']}/file", 200).content == self.data
        return found

    def upload(self) -> None:
        self.image("uploaded")
        while (found := self.settled("uploaded"))["status"] != "active":
            self.ask("PUT", f"/images/{found['id']}/file", 204, 409, content=self.data, headers=OCTETS)

    def cache(self) -> None:
        image = self.settled("uploaded")["id"]
        while image not in [each["image_id"] for each in self.cached()["cached_images"]]:
            self.ask("PUT", f"/cache/{image}", 202)
        assert self.settled("uploaded")["status"] == "active"

    def cached(self) -> dict:
        return self.ask("GET", "/cache", 200).json()

    def stage(self) -> None:
        """Data come compressed and go to both stores."""
        self.image("staged")
        while (found := self.settled("staged"))["status"] != "active":
            packed = gzip.compress(DATA, 1)
            if found["status"] == "queued":
                self.ask("PUT", f"/images/{found['id']}/stage", 204, 409, content=packed, headers=OCTETS)
            body = {"method": {"name": "glance-direct"}, "all_stores": True}
            self.ask("POST", f"/images/{found['id']}/import", 202, 409, json=body)
        assert sorted(found["stores"].split(",")) == ["fs", "second"]

    def copy(self) -> None:
        while "second" not in (found := self.settled("uploaded"))["stores"].split(","):
            body = {"method": {"name": "copy-image"}, "stores": ["second"]}
            self.ask("POST", f"/images/{found['id']}/import", 202, 400, 409, json=body)

    def fetch(self) -> None:
        self.image("fetched")
        while (found := self.settled("fetched"))["status"] != "active":
            method = {"name": "web-download", "uri": f"http://{self.web}/data"}
            body = {"method": method, "stores": ["second"]}
            self.ask("POST", f"/images/{found['id']}/import", 202, 409, json=body)

    def take_out(self) -> None:
        found = self.settled("uploaded")
        if "fs" in found["stores"].split(","):
            self.ask("DELETE", f"/stores/fs/{found['id']}", 204)
        assert self.settled("uploaded")["stores"] == "second"

    def delete(self) -> None:
        if found := self.find("staged"):
            self.ask("DELETE", f"/images/{found['id']}", 204, 404)


def settings(web: str) -> dict[str, str]:
    return {
        "image.stores": "fs:file,second:file",
        "image.store": '{"second": {"path": "STATE/second"}}',
        "image.import_plugins": "image_decompression",
        "image.fetch_also_from": web,
    }


@pytest.mark.chaos
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("point", "nth"), CUTS, ids=[f"{name}-{nth}" for name, nth in CUTS])
def test_cut(point, nth, web):
    victim = Victim(settings=settings(web))
    try:
        if not victim.start(point, nth):
            assert victim.start(), victim.last_words()
        Life(victim, web).run()
        assert victim.deaths >= 1, f"the life never came by {point} ({nth})"
        assert victim.settle() == []
    finally:
        victim.bury()


@pytest.mark.chaos
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "point", ["image.bring.after", *(["image.rename.after", "image.fetch.after"] if ALL else [])]
)
def test_cut_on_a_shared_database(point, web, postgresql):
    """Another process might be at work: what the dead one did goes on when it has not been heard of for a
    minute."""
    victim = Victim(postgresql.database("chaos_images"), settings(web))
    try:
        assert victim.start(point, 1), victim.last_words()
        Life(victim, web).run()
        assert victim.deaths >= 1, f"the life never came by {point}"
        assert victim.settle() == []
    finally:
        victim.bury()


@pytest.fixture(scope="module")
def peers() -> Iterator[Callable[[str], Peer]]:
    """Servers for data, started when they are first asked for."""
    started: dict[str, Peer] = {}

    def get(kind: str) -> Peer:
        if kind not in started:
            started[kind] = {"swift": Swift, "s3": Moto, "rbd": Ceph}[kind]()
        return started[kind]

    yield get
    for peer in started.values():
        peer.stop()


class ShortLife(Life):
    """Data go to another server and out of it again."""

    def run(self) -> None:
        for step in (self.upload, self.copy, self.take_out, self.delete_all):
            self.insist(step)

    def delete_all(self) -> None:
        if found := self.find("uploaded"):
            self.ask("DELETE", f"/images/{found['id']}", 204, 404)
        self.until(lambda: self.victim.violations() == [])


@pytest.mark.chaos
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "point"),
    [(kind, point) for kind, points in ELSEWHERE.items() for point in (points if ALL else points[1:2])],
)
def test_cut_on_the_way_to_another_server(kind, point, web, peers):
    """Nothing is left there that no row names, and the copy is whole or not there."""
    peer = peers(kind)
    options = {"swift": {"container": "chaos"}, "s3": {"bucket": "chaos"}, "rbd": {}}[kind]
    stores = {
        "image.stores": f"fs:file,second:{kind}",
        "image.store": json.dumps({"second": peer.options | options}),
    }
    victim = Victim(settings=stores)
    data = DATA * (6 if point.startswith("image.s3.complete") else 1)
    try:
        if not victim.start(point, 1):
            assert victim.start(), victim.last_words()
        ShortLife(victim, web, data).run()
        assert victim.deaths >= 1, f"the life never came by {point}"
        assert victim.settle() == []
        settings = Image(stores=(f"second:{kind}",), store={"second": peer.options | options})
        store = Stores(settings, victim.state).default
        if kind == "swift":
            left = store._ask("GET", "", wanted=(200, 204))[1].split()
        elif kind == "rbd":
            images = ("rbd_id.", "rbd_header.", "rbd_data.")
            objects = [each.key for each in store.connected().list_objects()]
            left = [name for name in objects if name.startswith(images)]
        else:
            left = store.ask("list_objects_v2").get("Contents", []) + store._unfinished("")
        assert left == []
    finally:
        victim.bury()
