"""A cloud of identity and network with simulated hosts, and three callers: an administrator and two
projects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import World

from monostack import testing


class Caller:
    """A caller of networking: verbs that say what they expect, and the steps that every story begins with."""

    def __init__(self, api) -> None:
        self.api = api

    def ask(self, method: str, path: str, expected: int, body: Any = None, **options: Any) -> Any:
        answer = self.api.request(method, path, json=body, **options)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str, expected: int = 200, **parameters: Any) -> Any:
        return self.ask("GET", path, expected, params=parameters)

    def post(self, path: str, body: Any, expected: int = 201) -> Any:
        return self.ask("POST", path, expected, body)

    def put(self, path: str, body: Any, expected: int = 200, **options: Any) -> Any:
        return self.ask("PUT", path, expected, body, **options)

    def delete(self, path: str, expected: int = 204) -> Any:
        return self.ask("DELETE", path, expected)

    def refused(self, method: str, path: str, code: int, type: str, body: Any = None, **options: Any) -> str:
        """The words of a refusal of that code and type."""
        error = self.ask(method, path, code, body, **options)["NeutronError"]
        assert error["type"] == type, error
        return error["message"]

    def network(self, **values: Any) -> dict[str, Any]:
        return self.post("/networks", {"network": values})["network"]

    def subnet(self, network: dict, cidr: str = "10.0.0.0/24", **values: Any) -> dict[str, Any]:
        body = {"network_id": network["id"], "cidr": cidr, "ip_version": 6 if ":" in cidr else 4} | values
        return self.post("/subnets", {"subnet": body})["subnet"]

    def port(self, network: dict, **values: Any) -> dict[str, Any]:
        return self.post("/ports", {"port": {"network_id": network["id"]} | values})["port"]

    def group(self, **values: Any) -> dict[str, Any]:
        return self.post("/security-groups", {"security_group": {"name": "group"} | values})["security_group"]

    def router(self, **values: Any) -> dict[str, Any]:
        return self.post("/routers", {"router": values})["router"]

    def join(self, router: dict, subnet: dict) -> dict[str, Any]:
        return self.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator[World]:
    with testing.cloud(only=("identity", "network"), database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def admin(world: World) -> Caller:
    return Caller(world.api("network"))


@pytest.fixture
def demo(world: World) -> Caller:
    return Caller(world.api("network", "demo"))


@pytest.fixture
def other(world: World) -> Caller:
    """Somebody of another project."""
    world.persona("other")
    return Caller(world.api("network", "other"))


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a function returns something true; what it returned."""

    def wait(function: Callable[[], Any], seconds: float = 5.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = function()
            if found or time.monotonic() > end:
                assert found, "it did not come to be in time"
                return found
            time.sleep(0.01)

    return wait


@pytest.fixture
def public(admin: Caller) -> dict[str, Any]:
    """The external network."""
    return admin.get("/networks", name="public")["networks"][0]
