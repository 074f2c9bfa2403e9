"""A whole cloud with simulated hosts, an administrator, two projects, and the steps before every story of a
server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import World

from monostack import testing
from monostack.kit import schemas as engine
from monostack.kit.schemas import Schemas

CONTRACT = Path(__file__).parents[2] / "contract/compute/responses.json.gz"
PROMISES = Schemas(Path(engine.__file__).parents[1] / "compute" / "schemas", CONTRACT)
LATEST = "2.104"


class Caller:
    """A caller of compute: verbs that say what they expect, in which microversion, by which promise."""

    def __init__(self, world: World, user: str | None) -> None:
        self.world, self.user = world, user
        self.api = world.api("compute", user=user)

    def ask(
        self,
        method: str,
        path: str,
        expected: int = 200,
        body: Any = None,
        version: str = LATEST,
        promise: str | None = None,
        **options: Any,
    ) -> Any:
        """The answer's body; `promise` names the response schema ("services.index") that it must fulfil."""
        answer = self.api.at(version, method, path, json=body, **options)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text}"
        content = answer.json() if answer.content else None
        if promise is not None:
            major, minor = version.split(".")
            PROMISES.response(promise, (int(major), int(minor))).check(content)
        return content

    def get(self, path: str, expected: int = 200, **options: Any) -> Any:
        return self.ask("GET", path, expected, **options)

    def post(self, path: str, body: Any, expected: int = 200, **options: Any) -> Any:
        return self.ask("POST", path, expected, body, **options)

    def put(self, path: str, body: Any, expected: int = 200, **options: Any) -> Any:
        return self.ask("PUT", path, expected, body, **options)

    def delete(self, path: str, expected: int = 204, **options: Any) -> Any:
        return self.ask("DELETE", path, expected, **options)

    def refused(self, method: str, path: str, code: int, body: Any = None, **options: Any) -> str:
        """The words of a refusal."""
        (fault,) = self.ask(method, path, code, body, **options).values()
        assert fault["code"] == code
        return fault["message"]

    def project_id(self) -> str:
        """The id of the caller's project."""
        token = self.api.client.headers["X-Auth-Token"]
        identity = self.world.api("identity", user=self.user)
        answer = identity.get("/auth/tokens", headers={"X-Subject-Token": token})
        return answer.json()["token"]["project"]["id"]

    def network(self, cidr: str = "10.9.0.0/24") -> dict[str, Any]:
        """A network with one subnet."""
        network = self.world.api("network", user=self.user)
        made = network.post("/networks", json={"network": {"name": "net"}}).json()["network"]
        subnet = {"network_id": made["id"], "cidr": cidr, "ip_version": 4}
        assert network.post("/subnets", json={"subnet": subnet}).status_code == 201
        return made

    def image(self) -> str:
        """The id of a small image with data."""
        image = self.world.api("image", user=self.user)
        asked = {"name": "small", "disk_format": "raw", "container_format": "bare"}
        image_id = image.post("/images", json=asked).json()["id"]
        octets = {"Content-Type": "application/octet-stream"}
        answer = image.put(f"/images/{image_id}/file", content=b"0" * 1024, headers=octets)
        assert answer.status_code == 204, answer.text
        return image_id

    def server(self, wait: str | None = "ACTIVE", hints: dict | None = None, **asked: Any) -> dict[str, Any]:
        """A server, by default running on a network of its own."""
        if "networks" not in asked:
            asked["networks"] = [{"uuid": self.network()["id"]}]
        values = {"name": "server", "imageRef": self.image(), "flavorRef": "1"} | asked
        body: dict[str, Any] = {"server": values}
        if hints is not None:
            body["os:scheduler_hints"] = hints
        made = self.post("/servers", body, 202)["server"]
        return self.until(made["id"], wait) if wait else self.get(f"/servers/{made['id']}")["server"]

    def until(self, server_id: str, status: str, seconds: float = 20.0) -> dict[str, Any]:
        """The server once it has the status."""
        deadline = time.monotonic() + seconds
        while True:
            server = self.get(f"/servers/{server_id}")["server"]
            if server["status"] == status:
                return server
            assert time.monotonic() < deadline, f"{server['status']}, {server.get('fault')}"
            time.sleep(0.02)

    def until_gone(self, server_id: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while self.api.get(f"/servers/{server_id}").status_code != 404:
            assert time.monotonic() < deadline, "the server is still there"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator[World]:
    with testing.cloud(database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def admin(world: World) -> Caller:
    return Caller(world, "admin")


@pytest.fixture
def demo(world: World) -> Caller:
    return Caller(world, "demo")


@pytest.fixture
def stranger(world: World) -> Caller:
    """A member of another project."""
    world.persona("stranger")
    return Caller(world, "stranger")
