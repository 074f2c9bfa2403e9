"""Image upload against the least that any Python process must do: `python bench/upload.py [ROUNDS]`.

The cloud takes 256 MiB over HTTP; a plain process reads the same bytes from a socket, hashes them (MD5 and
SHA-512, as the API promises) and writes them to a file. Both are fed by the same sender and end when the data
is on the disk. Besides the time on the clock the processor time of the receiving process is compared, which
says more on a busy machine.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import time

from measured import Measured

MIB = 1 << 20
MEGABYTES = 256


def plain(told) -> None:
    """One connection: read, hash, write, say "done"; tells its port first and its processor time last."""
    listening = socket.create_server(("127.0.0.1", 0))
    told.send(listening.getsockname()[1])
    connection, _ = listening.accept()
    before = resource.getrusage(resource.RUSAGE_SELF)
    md5, sha512, left = hashlib.md5(), hashlib.sha512(), MEGABYTES * MIB
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as target:
        while left:
            piece = connection.recv(MIB)
            md5.update(piece)
            sha512.update(piece)
            target.write(piece)
            left -= len(piece)
        target.flush()
        os.fsync(target.fileno())
    connection.sendall(b"done")
    after = resource.getrusage(resource.RUSAGE_SELF)
    told.send(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def send(port: int, head: bytes, piece: bytes) -> tuple[float, bytes]:
    """Seconds from the first byte to the answer, and the answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        started = time.perf_counter()
        connection.sendall(head)
        for _ in range(MEGABYTES):
            connection.sendall(piece)
        answer = connection.recv(65536)
        return time.perf_counter() - started, answer


def measure_plain(piece: bytes) -> tuple[float, float]:
    """Seconds on the clock, seconds of the processor."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=plain, args=(there,))
    process.start()
    took, answer = send(here.recv(), b"", piece)
    assert answer == b"done", answer
    used = here.recv()
    process.join()
    return took, used


def measure_cloud(cloud: Measured, token: str, piece: bytes) -> tuple[float, float]:
    body = {"name": "upload", "disk_format": "raw", "container_format": "bare"}
    image = cloud.call("POST", 9292, "/v2/images", body, token)["id"]
    head = (
        f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Auth-Token: {token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {MEGABYTES * MIB}\r\n\r\n"
    )
    before = cloud.cpu()
    took, answer = send(cloud.port(9292), head.encode(), piece)
    assert answer.startswith(b"HTTP/1.1 204"), answer
    used = cloud.cpu() - before
    shown = cloud.call("GET", 9292, f"/v2/images/{image}", token=token)
    assert shown["size"] == MEGABYTES * MIB and shown["status"] == "active", shown
    assert shown["os_hash_value"] == hashlib.sha512(piece * MEGABYTES).hexdigest()
    cloud.call("DELETE", 9292, f"/v2/images/{image}", token=token)
    return took, used


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    piece = os.urandom(MIB)
    with Measured(14000) as cloud:
        token = cloud.login()
        for _ in range(rounds):
            alone, alone_cpu = measure_plain(piece)
            took, used = measure_cloud(cloud, token, piece)
            print(
                f"{MEGABYTES} MiB: {MEGABYTES / took:.0f} MiB/s with {used:.2f} s of processor time; plain: "
                f"{MEGABYTES / alone:.0f} MiB/s with {alone_cpu:.2f} s; that is {alone / took:.0%} "
                f"(load average {os.getloadavg()[0]:.1f})"
            )


if __name__ == "__main__":
    main()
