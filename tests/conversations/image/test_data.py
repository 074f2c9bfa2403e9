"""The data of an image: up, down, and what is refused."""

import hashlib
import os
import socket
import struct
import threading
import time
from urllib.parse import urlparse

import pytest


def qcow2(size=1 << 20, backing=0, features=0, version=3, extensions=b""):
    """A qcow2 header of 64 KiB clusters."""
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing, 0, 16, size)
    head += struct.pack(">IIQQIIQ", 0, 1, 65536, 131072, 1, 0, 0)
    head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    return (head + extensions).ljust(65536, b"\0")


class Folder:
    """The files of all stores, however deep."""

    def __init__(self, world):
        self.state = world.cloud.settings.state

    def iterdir(self):
        return [
            each
            for name in ("images", "staging")
            for each in (self.state / name).rglob("*")
            if each.is_file()
        ]


def folder(world):
    return Folder(world)


def wait(condition):
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_data_come_back_with_size_and_hashes(demo, make):
    data = bytes(range(256)) * 20_000
    image = make(demo, data)
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(data), len(data))
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    assert image["stores"] == "fs"
    answer = demo.get(f"/images/{image['id']}/file")
    assert answer.content == data
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-MD5"] == image["checksum"]
    assert answer.headers["Content-Length"] == str(len(data))


def test_data_may_come_in_pieces_without_a_length(demo, make, put):
    image = make(demo, None)["id"]
    assert put(demo, image, (b"x" * 100_000 for _ in range(30))).status_code == 204
    assert demo.get(f"/images/{image}").json()["size"] == 3_000_000


def test_no_data_are_data_too(demo, make):
    assert make(demo, b"")["size"] == 0


@pytest.mark.parametrize(
    ("asked", "told", "content"),
    [
        ("bytes=1-3", "bytes 1-3/10", b"123"),
        ("bytes=8-", "bytes 8-9/10", b"89"),
        ("bytes=-2", "bytes 8-9/10", b"89"),
        ("bytes=5-100", "bytes 5-9/10", b"56789"),
    ],
)
def test_one_range(demo, make, asked, told, content):
    path = f"/images/{make(demo, b'0123456789')['id']}/file"
    answer = demo.get(path, headers={"Range": asked})
    assert (answer.status_code, answer.headers["Content-Range"], answer.content) == (206, told, content)


@pytest.mark.parametrize(
    "asked", ["bytes=10-", "bytes=5-4", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=-0"]
)
def test_a_range_that_cannot_be_given_is_416(demo, make, asked):
    answer = demo.get(f"/images/{make(demo, b'0123456789')['id']}/file", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"


def test_a_queued_image_has_no_data_yet(demo, make):
    answer = demo.get(f"/images/{make(demo, None)['id']}/file")
    assert (answer.status_code, answer.content) == (204, b"")


def test_data_come_once(demo, make, put):
    image = make(demo)["id"]
    answer = put(demo, image, b"other")
    assert answer.status_code == 409
    assert "transition from active to saving is not allowed" in answer.json()["message"]
    assert demo.get(f"/images/{image}/file").content == b"x" * 1000


def test_another_content_type_and_missing_formats_are_refused(demo, make):
    image = make(demo, None)["id"]
    answer = demo.put(f"/images/{image}/file", content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    bare = demo.post("/images", json={}).json()["id"]
    answer = demo.put(
        f"/images/{bare}/file", content=b"x", headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == 400
    assert "disk_format, container_format must be set" in answer.json()["message"]


def test_a_second_upload_while_the_first_runs_is_409(demo, make, put):
    image, gate, started = make(demo, None)["id"], threading.Event(), threading.Event()

    def slowly():
        yield b"first"
        started.set()
        gate.wait(10)
        yield b" and last"

    first = threading.Thread(target=put, args=(demo, image, slowly()))
    first.start()
    started.wait(10)
    assert wait(lambda: demo.get(f"/images/{image}").json()["status"] == "saving")
    assert put(demo, image, b"second").status_code == 409
    gate.set()
    first.join(10)
    assert demo.get(f"/images/{image}/file").content == b"first and last"


def test_more_than_the_cloud_takes_is_413_and_the_image_is_queued_again(world, demo, make, put, monkeypatch):
    monkeypatch.setattr(world.cloud.settings.image, "max_bytes", 1000)
    image = make(demo, None)["id"]
    assert put(demo, image, b"x" * 1001).status_code == 413
    assert put(demo, image, (b"x" * 100 for _ in range(11))).status_code == 413
    assert demo.get(f"/images/{image}").json()["status"] == "queued"
    assert wait(lambda: not list(folder(world).iterdir()))
    assert put(demo, image, b"x" * 1000).status_code == 204


def test_a_caller_who_goes_away_leaves_a_queued_image_and_no_file(world, demo, make, put):
    image = make(demo, None)["id"]
    url = urlparse(world.cloud.url)
    with socket.create_connection((url.hostname, url.port)) as connection:
        head = (
            f"PUT /image/v2/images/{image}/file HTTP/1.1\r\nHost: x\r\n"
            f"X-Auth-Token: {world.token('demo', 'demo')}"
            "\r\nContent-Type: application/octet-stream\r\nContent-Length: 5000000\r\n\r\n"
        )
        connection.sendall(head.encode() + b"x" * 2_000_000)
        assert wait(lambda: demo.get(f"/images/{image}").json()["status"] == "saving")
    assert wait(lambda: demo.get(f"/images/{image}").json()["status"] == "queued")
    assert wait(lambda: not list(folder(world).iterdir()))
    assert put(demo, image, b"again").status_code == 204


def test_an_image_deleted_during_its_upload_is_410_and_leaves_no_file(world, demo, make, put):
    image, answers = make(demo, None)["id"], []
    gate, started = threading.Event(), threading.Event()

    def slowly():
        yield b"first"
        started.set()
        gate.wait(10)
        yield b"last"

    first = threading.Thread(target=lambda: answers.append(put(demo, image, slowly())))
    first.start()
    started.wait(10)
    assert wait(lambda: demo.get(f"/images/{image}").json()["status"] == "saving")
    assert demo.delete(f"/images/{image}").status_code == 204
    gate.set()
    first.join(10)
    assert answers[0].status_code == 410
    assert wait(lambda: not list(folder(world).iterdir()))


def test_an_upload_that_died_with_its_process_is_queued_again(world, demo, make, put):
    from monostack.image import blobs
    from monostack.image.tables import IMAGES

    image = make(demo, None)["id"]
    part = world.cloud.settings.state / "images" / image[:2] / f"{image}.token.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")

    def die(tx):
        tx.update(IMAGES, {"id": image}, status="saving", upload="token")
        blobs.begin(tx, image, "fs", "token", tx.cloud.clock.after(60))

    world.cloud.run(world.cloud.cloud.engine.write(die))
    assert demo.get(f"/images/{image}").json()["status"] == "saving"
    world.cloud.clock.advance(seconds=61)
    assert wait(lambda: demo.get(f"/images/{image}").json()["status"] == "queued")
    assert wait(lambda: not part.exists())
    assert put(demo, image, b"whole").status_code == 204


def test_a_deleted_image_takes_its_file_along_and_nothing_else(world, demo, make):
    kept, gone = make(demo)["id"], make(demo)["id"]
    stranger = world.cloud.settings.state / "images" / "00000000-0000-0000-0000-000000000000.whose"
    stranger.write_bytes(b"somebody's")
    assert len(list(folder(world).iterdir())) == 3
    assert demo.delete(f"/images/{gone}").status_code == 204
    assert wait(lambda: len(list(folder(world).iterdir())) == 2)
    assert stranger.exists()
    assert demo.get(f"/images/{kept}/file").status_code == 200
    stranger.unlink()


def connected(world, image, **headers):
    """A connection that has asked for data and taken the head of the answer; and what came after it."""
    url = urlparse(world.cloud.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.connect((url.hostname, url.port))
    ask(world, connection, image, **headers)
    return connection


def ask(world, connection, image, **headers):
    lines = [f"GET /image/v2/images/{image}/file HTTP/1.1", "Host: x"]
    lines += [f"X-Auth-Token: {world.token('demo', 'demo')}", *(f"{k}: {v}" for k, v in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())


def answer_of(connection):
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(4096)
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        piece = connection.recv(1 << 16)
        assert piece
        body += piece
    return head.split(b" ")[1], body


def test_large_data_go_down_inside_the_kernel(world, demo, make, monkeypatch):
    """To a caller who takes little at a time, whole and in part, one answer after the other."""
    data, real, sent = os.urandom(1 << 20) * 9 + b"end", os.sendfile, []

    def counted(*words):
        now = real(*words)
        sent.append(now)
        return now

    image = make(demo, data)["id"]
    monkeypatch.setattr(os, "sendfile", counted)
    with connected(world, image) as connection:
        time.sleep(0.2)
        assert answer_of(connection) == (b"200", data)
        assert wait(lambda: sum(sent) == len(data))
        ask(world, connection, image, Range="bytes=5-3000004")
        assert answer_of(connection) == (b"206", data[5:3000005])
        ask(world, connection, image, Range="bytes=-3")
        assert answer_of(connection) == (b"206", b"end")
    assert wait(lambda: sum(sent) == len(data) + 3_000_000 + 3)


def test_a_caller_who_goes_away_during_a_download_harms_nobody(world, demo, make):
    image = make(demo, b"x" * (9 << 20))["id"]
    for _ in range(3):
        with connected(world, image) as connection:
            connection.recv(1000)
    assert len(demo.get(f"/images/{image}/file").content) == 9 << 20


def test_the_virtual_size_of_a_disk_is_told(demo, make):
    image = make(demo, qcow2(size=5 << 30), disk_format="qcow2")
    assert (image["size"], image["virtual_size"]) == (65536, 5 << 30)


@pytest.mark.parametrize(
    ("data", "disk_format", "word"),
    [
        (qcow2(backing=1024), "qcow2", "backing file"),
        (qcow2(features=4), "qcow2", "another file"),
        (qcow2(features=1 << 40), "qcow2", "not known"),
        (qcow2(version=7), "qcow2", "version 7"),
        (qcow2(extensions=struct.pack(">II", 0x44415441, 8) + b"/etc/pwd"), "qcow2", "names another file"),
        (b"QFI\xfb\0\0", "qcow2", "cut off"),
        (qcow2(), "raw", "declared as raw"),
        (b"just text", "qcow2", "declared as qcow2"),
        (b"", "vmdk", "declared as vmdk"),
        (
            b'# Disk DescriptorFile\nversion=1\nRW 100 FLAT "/etc/shadow" 0\n',
            "vmdk",
            "descriptor without data",
        ),
        (b'# Disk DescriptorFile\nversion=1\nRW 100 FLAT "/etc/shadow" 0\n', "raw", "declared as raw"),
    ],
)
def test_dangerous_or_lying_data_are_refused_in_words_and_the_image_is_queued_again(
    world, demo, make, put, data, disk_format, word
):
    image = make(demo, None, disk_format=disk_format)["id"]
    answer = put(demo, image, data)
    assert answer.status_code == 400
    assert word in answer.json()["message"]
    shown = demo.get(f"/images/{image}").json()
    assert (shown["status"], shown["size"], shown["checksum"]) == ("queued", None, None)
    assert wait(lambda: not list(folder(world).iterdir()))


def test_hostile_data_are_refused_before_all_of_them_came(demo, make, put):
    sent = []

    def endless():
        yield qcow2(backing=1024)
        for number in range(200):
            sent.append(number)
            yield b"\0" * (1 << 20)

    image = make(demo, None, disk_format="qcow2")["id"]
    try:
        assert put(demo, image, endless()).status_code == 400
    except Exception as reason:
        assert "write" in type(reason).__name__.lower(), reason
    assert demo.get(f"/images/{image}").json()["status"] == "queued"


def test_archives_are_not_looked_into(demo, make):
    image = make(demo, b"QFI\xfb anything", disk_format="vmdk", container_format="ova")
    assert (image["status"], image["virtual_size"]) == ("active", None)


def test_uploads_are_recorded_as_events(world, demo, make):
    from monostack.kit import events

    image = make(demo)["id"]
    demo.delete(f"/images/{image}")
    kinds = [event["kind"] for event in world.cloud.read(events.story, image)]
    assert kinds == ["image.create", "image.upload", "image.delete"]
