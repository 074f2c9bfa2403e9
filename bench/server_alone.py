"""What the HTTP server costs by itself: `python bench/server_alone.py`.

An application that does nothing answers as long an answer as a validated token is, through the cloud's own
server settings. What this costs, no operation over HTTP can save.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from types import SimpleNamespace

import uvloop
from client import load, request
from measured import TICKS

from monostack.server import make_server

REQUESTS, CONNECTIONS, ROUNDS = 20_000, 32, 3
BODY = b"x" * 1200
HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"X-Subject-Token", b"t" * 180),
    (b"Vary", b"X-Auth-Token"),
    (b"x-openstack-request-id", b"req-" + b"0" * 36),
    (b"Content-Length", str(len(BODY)).encode()),
]


async def nothing(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def serve(listening: socket.socket) -> None:
    uvloop.run(make_server(SimpleNamespace(app=nothing)).serve(sockets=[listening]))


def cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
    server.start()
    asked = request("GET", "/v3/auth/tokens", {"X-Auth-Token": "t" * 180, "X-Subject-Token": "t" * 180})
    load(port, lambda n: asked, 2000, CONNECTIONS)
    print(f"load average {os.getloadavg()[0]:.1f}")
    for _ in range(ROUNDS):
        before, started = cpu(server.pid), time.perf_counter()
        result = load(port, lambda n: asked, REQUESTS, CONNECTIONS)
        took = (cpu(server.pid) - before) / result.count * 1000
        rate = result.count / (time.perf_counter() - started)
        print(f"{took:.3f} ms CPU a request, {rate:.0f} requests/s, {result.wrong} wrong")
    server.terminate()


if __name__ == "__main__":
    main()
