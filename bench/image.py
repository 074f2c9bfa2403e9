"""How fast the image service is: python bench/image.py [MEGABYTES]

The cloud runs in a process of its own, on SQLite; its processor time is read from /proc. The upload is held
against one Python process that reads a socket, hashes (MD5 and SHA-512) and writes the same bytes.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

MIB = 1 << 20
IMAGES = 1000


def serve(told, ended) -> None:
    """A cloud with the image service; says its URL and waits."""
    from monostack import testing

    with testing.cloud(only=("identity", "image")) as cloud:
        told.send((cloud.url, cloud.auth_url))
        ended.wait()


def cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def login(auth_url: str) -> str:
    user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }
    return httpx.post(auth_url + "/auth/tokens", json={"auth": auth}).headers["X-Subject-Token"]


def data(megabytes: int):
    piece = os.urandom(MIB)
    for _ in range(megabytes):
        yield piece


def plain(megabytes: int) -> float:
    """Seconds that one process needs to read a socket, hash and write, with nothing around it."""
    receiver, sender = socket.socketpair()

    def send() -> None:
        for piece in data(megabytes):
            sender.sendall(piece)
        sender.close()

    started = time.perf_counter()
    threading.Thread(target=send).start()
    md5, sha512 = hashlib.md5(), hashlib.sha512()
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as target:
        while piece := receiver.recv(MIB):
            md5.update(piece)
            sha512.update(piece)
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    return time.perf_counter() - started


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    tempfile.tempdir = os.environ["TMPDIR"] = "/var/tmp"
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    ended = context.Event()
    process = context.Process(target=serve, args=(there, ended))
    process.start()
    try:
        url, auth_url = here.recv()
        token = login(auth_url)
        with httpx.Client(base_url=url + "/image/v2", headers={"X-Auth-Token": token}, timeout=120) as client:
            measure(client, process.pid, megabytes)
    finally:
        ended.set()
        process.join(10)


def measure(client: httpx.Client, pid: int, megabytes: int) -> None:
    body = {
        "name": "sample",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "shared",
        "hw_disk_bus": "virtio",
        "os_distro": "debian",
        "tags": ["one"],
        "min_ram": 1,
    }
    for _ in range(50):
        client.post("/images", json=body)
    before = cpu(pid)
    for _ in range(IMAGES):
        client.post("/images", json=body)
    print(f"create: {(cpu(pid) - before) / IMAGES * 1000:.2f} ms of processor time each")

    client.get("/images", params={"limit": 1000})
    before, started = cpu(pid), time.perf_counter()
    for _ in range(20):
        answer = client.get("/images", params={"limit": 1000})
    size = len(answer.json()["images"])
    print(
        f"list of {size}: {(time.perf_counter() - started) / 20 * 1000:.1f} ms, "
        f"{(cpu(pid) - before) / 20 * 1000:.1f} ms of processor time"
    )

    for _ in range(2):
        alone = plain(megabytes)
        image = client.post("/images", json=body).json()["id"]
        before, started = cpu(pid), time.perf_counter()
        kind = {"Content-Type": "application/octet-stream", "Content-Length": str(megabytes * MIB)}
        answer = client.put(f"/images/{image}/file", content=data(megabytes), headers=kind)
        took = time.perf_counter() - started
        assert answer.status_code == 204, answer.text
        print(
            f"upload of {megabytes} MiB: {megabytes / took:.0f} MiB/s "
            f"({cpu(pid) - before:.2f} s of processor time); "
            f"one process alone: {megabytes / alone:.0f} MiB/s; that is {alone / took:.0%}"
        )
        started = time.perf_counter()
        with client.stream("GET", f"/images/{image}/file") as answer:
            size = sum(len(piece) for piece in answer.iter_raw(MIB))
        print(f"download: {size / MIB / (time.perf_counter() - started):.0f} MiB/s")
        client.delete(f"/images/{image}")


if __name__ == "__main__":
    main()
