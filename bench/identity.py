"""Identity's reads inside the process, without a socket: `python bench/identity.py [NAME ...]`.

What the HTTP server and the kernel cost is the same for every answer and drowns the quick ones, so here the
application is called as the server calls it. Each figure is the best of five rounds: neighbours only make
it dearer."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from monostack.cloud import Cloud
from monostack.identity.tables import ASSIGNMENTS, PROJECTS, ROLES, USERS
from monostack.settings import Identity, Settings

ROUNDS = 5
PORT = 5000
HEADERS = [(b"host", b"127.0.0.1:5000"), (b"accept", b"*/*"), (b"user-agent", b"bench")]
PEOPLE, PLACES = 1000, 100


def people(tx) -> None:
    """1,000 users, each with a role on one of 100 projects."""
    shared = {"domain_id": "default", "enabled": True, "options": {}, "extra": {}}
    place = shared | {"parent_id": "default", "is_domain": False, "tags": []}
    users = [tx.insert(USERS, name=f"user{n}", **shared)["id"] for n in range(PEOPLE)]
    projects = [tx.insert(PROJECTS, name=f"project{n}", **place)["id"] for n in range(PLACES)]
    role_id = tx.one(ROLES, name="member")["id"]
    for n, user_id in enumerate(users):
        tx.insert(
            ASSIGNMENTS,
            actor_kind="user",
            actor_id=user_id,
            target_kind="project",
            target_id=projects[n % PLACES],
            role_id=role_id,
            inherited=False,
        )


WHAT: dict[str, tuple[str, str, int, float, Callable | None]] = {
    "validate": ("/v3/auth/tokens", "", 5000, 0.08, None),
    "projects": ("/v3/projects", "", 1000, 0.5, None),
    "users": ("/v3/users", "", 20, 6, people),
    "effective": ("/v3/role_assignments", "effective", 20, 30, people),
}
"""name -> path, query, requests a round, the target in ms, and what is made first."""


class Caller:
    """Calls the application as the HTTP server does."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.headers = list(HEADERS)

    async def call(self, method: str, path: str, query: str = "", body: bytes = b"") -> list[dict]:
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": self.headers,
            "scheme": "http",
            "server": ("127.0.0.1", PORT),
            "client": ("127.0.0.1", 1),
        }
        await self.cloud.app(scope, receive, send)
        return sent

    async def log_in(self) -> None:
        user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()
        answer = await self.call("POST", "/v3/auth/tokens", body=body)
        token = dict(answer[0]["headers"])[b"X-Subject-Token"]
        self.headers += [(b"x-auth-token", token), (b"x-subject-token", token)]


async def measure(name: str, folder: Path) -> None:
    path, query, count, target, prepare = WHAT[name]
    settings = Identity(password_hash_rounds=4, admin_password="secret", demo_password="secret")
    cloud = Cloud(Settings(state=folder, only=("identity",), identity=settings))
    cloud.prepare()
    caller = Caller(cloud)
    await caller.log_in()
    if prepare is not None:
        await cloud.engine.write(prepare)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    answer = await caller.call("GET", path, query)
    assert answer[0]["status"] == 200, answer
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(count):
            await caller.call("GET", path, query)
        rounds.append((time.process_time() - started) * 1000 / count)
    size = len(answer[1]["body"])
    print(f"{name:<10} {min(rounds):8.3f} ms {max(rounds):8.3f} worst  target {target:<5}  {size} bytes")
    cloud.engine.close()
    cloud.state_lock.close()


def main() -> None:
    names = sys.argv[1:] or list(WHAT)
    print(f"load average {os.getloadavg()[0]:.1f}")
    for name in names:
        with (
            tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(measure(name, Path(folder)))


if __name__ == "__main__":
    main()
