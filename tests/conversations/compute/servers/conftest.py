"""What conversations about servers share: a cloud with an image and a network, and a caller whose answers are
held against the published response schemas."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import World

from monostack import testing
from monostack.kit.schemas import Schemas

CONTRACT = Path(__file__).parents[3] / "contract" / "compute"
RESPONSES = Schemas(CONTRACT, CONTRACT / "responses.json.gz")


class Nova:
    """A caller of compute. `call` names the schema that the answer must fit, if it has one."""

    def __init__(self, world: World, version: str = "2.96", **who: Any) -> None:
        self.api = world.api("compute", **who)
        self.version = version

    def call(self, method: str, path: str, schema: str | None = None, *, at: str | None = None, **options):
        version = at or self.version
        answer = self.api.at(version, method, path, **options)
        assert answer.status_code != 500, answer.text
        if schema is not None and answer.is_success:
            major, minor = version.split(".")
            validator = RESPONSES.response(schema, (int(major), int(minor)))
            if validator is not None:
                validator.check(answer.json())
        return answer

    def get(self, path: str, schema: str | None = None, **options):
        return self.call("GET", path, schema, **options)

    def post(self, path: str, body: Any, schema: str | None = None, **options):
        return self.call("POST", path, schema, json=body, **options)

    def act(self, server_id: str, action: str, body: Any = None, **options):
        return self.post(f"/servers/{server_id}/action", {action: body}, **options)

    def create(self, **server: Any) -> dict[str, Any]:
        answer = self.post("/servers", {"server": server}, "servers.create")
        assert answer.status_code == 202, answer.text
        return answer.json()["server"]

    def server(self, server_id: str, **options) -> dict[str, Any]:
        answer = self.get(f"/servers/{server_id}", "servers.show", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["server"]

    def settled(self, server_id: str, seconds: float = 10.0) -> dict[str, Any]:
        """The server, once no task is in flight."""
        until = time.monotonic() + seconds
        while True:
            server = self.server(server_id)
            if server["OS-EXT-STS:task_state"] is None:
                return server
            assert time.monotonic() < until, f"still {server['OS-EXT-STS:task_state']}"
            time.sleep(0.01)

    def gone(self, server_id: str, seconds: float = 10.0) -> None:
        until = time.monotonic() + seconds
        while self.get(f"/servers/{server_id}").status_code != 404:
            assert time.monotonic() < until, "still there"
            time.sleep(0.01)


class Place:
    """A world that is ready for servers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cloud = world.cloud
        self.image = self._image()
        self.network, self.subnet = self.add_network("private", "10.20.0.0/24")
        self.nova = Nova(world)

    def caller(self, **options: Any) -> Nova:
        return Nova(self.world, **options)

    def _image(self) -> str:
        images = self.world.api("image")
        body = {"name": "small", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        image = images.post("/images", json=body).json()
        headers = {"Content-Type": "application/octet-stream"}
        answer = images.put(f"/images/{image['id']}/file", content=b"\0" * 4096, headers=headers)
        assert answer.status_code == 204, answer.text
        return image["id"]

    def add_network(self, name: str, cidr: str, **network: Any) -> tuple[str, str]:
        neutron = self.world.api("network")
        made = neutron.post("/networks", json={"network": {"name": name} | network}).json()["network"]["id"]
        subnet = {"network_id": made, "ip_version": 4, "cidr": cidr}
        answer = neutron.post("/subnets", json={"subnet": subnet})
        assert answer.status_code == 201, answer.text
        return made, answer.json()["subnet"]["id"]

    def server(self, **server: Any) -> dict[str, Any]:
        """A server that runs."""
        made = self.nova.create(**self.body(**server))
        settled = self.nova.settled(made["id"])
        assert settled["status"] == "ACTIVE", settled.get("fault")
        return settled

    def body(self, **server: Any) -> dict[str, Any]:
        asked = {"name": "one", "flavorRef": "42", "imageRef": self.image}
        return asked | {"networks": [{"uuid": self.network}]} | server


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator[World]:
    with testing.cloud(only=("compute",), database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def place(world: World) -> Place:
    return Place(world)


@pytest.fixture
def nova(world: World) -> Nova:
    return Nova(world)


@pytest.fixture
def stranger(world: World) -> Nova:
    """A member of a project of his own."""
    world.persona("stranger")
    return Nova(world, user="stranger")
