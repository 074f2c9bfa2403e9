"""What all tests share: disposable clouds, callers of every kind, a PostgreSQL server of the tests' own."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from monostack import testing

MOUNTS = {
    "identity": "/identity/v3",
    "image": "/image/v2",
    "network": "/network/v2.0",
    "compute": "/compute/v2.1",
    "placement": "/placement",
}


PLAIN = httpx.Client(timeout=30, verify=False)
"""For requests without a token. Reading the world's certificates, for http, would cost more than the test."""


class Api:
    """A caller of one service: an httpx client with a token, and the versions the service negotiates."""

    def __init__(self, url: str, service: str, token: str | None) -> None:
        headers = {"X-Auth-Token": token} if token else {}
        self.service = service
        self.client = httpx.Client(base_url=url + MOUNTS[service], headers=headers, timeout=30, verify=False)

    def __getattr__(self, name: str):
        return getattr(self.client, name)

    def at(self, version: str, method: str, path: str, **options) -> httpx.Response:
        """A request in a microversion."""
        name = {"compute": "compute", "placement": "placement"}[self.service]
        headers = {"OpenStack-API-Version": f"{name} {version}"} | options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)


class World:
    """A running cloud and its callers."""

    def __init__(self, cloud: testing.DisposableCloud) -> None:
        self.cloud = cloud
        self.tokens: dict[tuple, str] = {}

    def token(
        self,
        user: str = "admin",
        project: str | None = "admin",
        password: str = testing.PASSWORD,
        scope: dict | None = None,
    ) -> str:
        key = (user, project, repr(scope))
        if key not in self.tokens:
            identity = {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}},
            }
            auth: dict = {"identity": identity}
            if scope is not None:
                auth["scope"] = scope
            elif project is not None:
                auth["scope"] = {"project": {"name": project, "domain": {"id": "default"}}}
            answer = PLAIN.post(self.cloud.auth_url + "/auth/tokens", json={"auth": auth})
            assert answer.status_code == 201, answer.text
            self.tokens[key] = answer.headers["X-Subject-Token"]
        return self.tokens[key]

    def api(self, service: str, user: str | None = "admin", project: str | None = None, **options) -> Api:
        """A client of a service for a user; his project is the one of his own name unless given."""
        token = None if user is None else self.token(user, project or user, **options)
        return Api(self.cloud.url, service, token)

    def persona(self, name: str, role: str = "member") -> None:
        """A user and a project, both called `name`, with a role of the user on the project."""
        identity = self.api("identity")
        project = identity.post("/projects", json={"project": {"name": name}}).json()["project"]["id"]
        user = identity.post("/users", json={"user": {"name": name, "password": testing.PASSWORD}}).json()[
            "user"
        ]["id"]
        roles = identity.get("/roles", params={"name": role}).json()["roles"]
        answer = identity.put(f"/projects/{project}/users/{user}/roles/{roles[0]['id']}")
        assert answer.status_code == 204, answer.text


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    """One cloud for a module; `world` gives it freshly reset to each test."""
    with testing.cloud() as cloud:
        yield World(cloud)


@pytest.fixture
def world(shared_world: World) -> World:
    """A cloud in the state of its first start."""
    shared_world.cloud.reset()
    shared_world.tokens.clear()
    return shared_world


def postgres_programs() -> Path | None:
    """The folder of Debian's PostgreSQL programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    return Path(found[-1]).parent if found else None


class PostgreSQL:
    """A PostgreSQL server of the tests' own, on a free port of loopback, its files in a temporary folder."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="monostack-postgresql-", dir="/dev/shm"))
        self.folder.chmod(0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.data = self.folder / "data"

    def run(self, *words: str) -> None:
        subprocess.run(
            [*self.as_user, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            timeout=60,
        )

    def start(self) -> None:
        if not self.data.exists():
            self.run(
                str(self.programs / "initdb"),
                "-D",
                str(self.data),
                "-U",
                "monostack",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            )
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += f" -c unix_socket_directories={self.folder}"
        self.run(
            str(self.programs / "pg_ctl"),
            "-D",
            str(self.data),
            "-w",
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "start",
        )

    def stop(self, mode: str = "immediate") -> None:
        self.run(str(self.programs / "pg_ctl"), "-D", str(self.data), "-m", mode, "stop")

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}" with (force)')
            connection.execute(f'create database "{name}"')
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://monostack@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    server = PostgreSQL(programs)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
