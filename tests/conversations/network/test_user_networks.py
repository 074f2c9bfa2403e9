"""Ports on a host whose guests have networks inside their QEMU: the binding tells how a guest is reached."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import World
from tests.conversations.network.conftest import Caller

from monostack import testing


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with testing.cloud(only=("identity", "network"), networks="user") as cloud:
        yield Caller(World(cloud).api("network"))


def settled(caller: Caller, port: dict[str, Any], status: str = "ACTIVE") -> dict[str, Any]:
    """The port, once the host has told of it."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = caller.get(f"/ports/{port['id']}")["port"]
        if found["status"] == status:
            return found
        time.sleep(0.02)
    raise AssertionError(f"the port is {found['status']}, not {status}")


def forwarded(port: dict[str, Any]) -> str | None:
    return port["binding:vif_details"].get("forwarded", {}).get("ssh")


def test_a_bound_port_tells_where_its_guest_is_reached_for_as_long_as_it_is_bound(caller):
    network = caller.network(name="n")
    caller.subnet(network)
    port = caller.port(network, device_owner="compute:nova", **{"binding:host_id": "host"})
    bound = settled(caller, port)
    address = forwarded(bound)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", address)
    assert bound["binding:vif_details"]["connectivity"] == "l2"
    caller.put(f"/ports/{port['id']}", {"port": {"name": "renamed", "binding:host_id": "host"}})
    assert forwarded(settled(caller, port)) == address
    caller.put(f"/ports/{port['id']}", {"port": {"binding:host_id": ""}})
    assert forwarded(settled(caller, port, "DOWN")) is None


def test_two_guests_are_reached_at_two_places(caller):
    network = caller.network(name="m")
    caller.subnet(network, "10.1.0.0/24")
    bound = {"device_owner": "compute:nova", "binding:host_id": "host"}
    ports = [settled(caller, caller.port(network, **bound)) for _ in range(2)]
    assert len({forwarded(port) for port in ports}) == 2
