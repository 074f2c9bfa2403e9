"""Image upload against the least that any Python process must do: `python bench/upload.py [ROUNDS [GIB]]`.

The cloud takes 256 MiB over HTTP; a plain process reads the same bytes from a socket, hashes them (MD5 and
SHA-512, as the API promises) and writes them to a file. Both are fed by the same sender and end when the data
is on the disk. Besides the time on the clock the processor time of the receiving process is compared, which
says more on a busy machine. Then the data come down again, and with GIB one large image goes up and down, to
see how much memory that takes.
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


def measure_cloud(cloud: Measured, token: str, piece: bytes, keep: bool = False) -> tuple[float, float, str]:
    """Seconds on the clock, seconds of the processor, the image."""
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
    wanted = hashlib.sha512()
    for _ in range(MEGABYTES):
        wanted.update(piece)
    assert shown["os_hash_value"] == wanted.hexdigest()
    if not keep:
        cloud.call("DELETE", 9292, f"/v2/images/{image}", token=token)
    return took, used, image


def measure_download(cloud: Measured, token: str, image: str, size: int) -> None:
    """The data come down to a caller who throws them away."""
    before, started = cloud.cpu(), time.perf_counter()
    with socket.create_connection(("127.0.0.1", cloud.port(9292))) as connection:
        head = f"GET /v2/images/{image}/file HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Auth-Token: {token}\r\n\r\n"
        connection.sendall(head.encode())
        text = b""
        while b"\r\n\r\n" not in text:
            text += connection.recv(4096)
        left, room = size - len(text.partition(b"\r\n\r\n")[2]), bytearray(MIB)
        while left:
            left -= connection.recv_into(room, min(left, MIB))
    took = time.perf_counter() - started
    print(f"{size // MIB} MiB down: {size / MIB / took:.0f} MiB/s with {cloud.cpu() - before:.2f} s")


def memory(cloud: Measured, name: str) -> int:
    """A line of the process's memory, in KiB."""
    with open(f"/proc/{cloud.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith(name)).split()[1])


def measure_large(cloud: Measured, token: str, piece: bytes, gigabytes: int) -> None:
    global MEGABYTES
    MEGABYTES, before = gigabytes * 1024, memory(cloud, "VmRSS")
    with open(f"/proc/{cloud.process.pid}/clear_refs", "w") as refs:
        refs.write("5")  # the peak begins anew
    took, used, image = measure_cloud(cloud, token, piece, keep=True)
    grown = (memory(cloud, "VmHWM") - before) / 1024
    print(f"{gigabytes} GiB: {MEGABYTES / took:.0f} MiB/s with {used:.1f} s; memory grew by {grown:.1f} MiB")
    measure_download(cloud, token, image, MEGABYTES * MIB)
    grown = (memory(cloud, "VmHWM") - before) / 1024
    print(f"memory after the download: {grown:.1f} MiB more at its peak")
    cloud.call("DELETE", 9292, f"/v2/images/{image}", token=token)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    piece = os.urandom(MIB)
    with Measured(14000) as cloud:
        token = cloud.login()
        for _ in range(rounds):
            alone, alone_cpu = measure_plain(piece)
            took, used, image = measure_cloud(cloud, token, piece, keep=True)
            print(
                f"{MEGABYTES} MiB: {MEGABYTES / took:.0f} MiB/s with {used:.2f} s of processor time; plain: "
                f"{MEGABYTES / alone:.0f} MiB/s with {alone_cpu:.2f} s; that is {alone / took:.0%} "
                f"(load average {os.getloadavg()[0]:.1f})"
            )
            measure_download(cloud, token, image, MEGABYTES * MIB)
            cloud.call("DELETE", 9292, f"/v2/images/{image}", token=token)
        if len(sys.argv) > 2:
            measure_large(cloud, token, piece, int(sys.argv[2]))


if __name__ == "__main__":
    main()
