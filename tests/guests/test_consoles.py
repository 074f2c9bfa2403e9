"""A real guest of a whole cloud: what it was told on its config drive, seen on its serial line; its screen.

The cloud gives guests on QEMU's own networks a config drive without being asked, because nothing answers at
169.254.169.254 there. That the guest took its name from it is seen where a user would look: at the console.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.conftest import World
from websockets.sync.client import connect

from monostack import testing
from monostack.node import guest_image

pytestmark = [pytest.mark.guests, pytest.mark.slow, pytest.mark.timeout(300)]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monostack"
PATIENCE = 200


@pytest.fixture(scope="module")
def image() -> Path:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed: apt-get install qemu-system-x86")
    missing = guest_image.missing_tools()
    if missing:
        pytest.skip(f"The guest image cannot be built here, {missing[0][0]} is missing.")
    try:
        return guest_image.build(CACHE / "guest.qcow2", CACHE)
    except guest_image.BuildError as reason:
        pytest.skip(f"The guest image cannot be built here: {reason}")


@pytest.fixture(scope="module")
def world(image) -> Iterator[World]:
    with testing.cloud(hypervisor="qemu", networks="user", stop_guests="true") as cloud:
        yield World(cloud)


@pytest.fixture(scope="module")
def server(world, image) -> str:
    """The id of a running server with the small guest."""
    images, network, compute = (world.api(name, user="demo") for name in ("image", "network", "compute"))
    asked = {"name": "guest", "disk_format": "qcow2", "container_format": "bare"}
    image_id = images.post("/images", json=asked).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    assert (
        images.put(f"/images/{image_id}/file", content=image.read_bytes(), headers=octets).status_code == 204
    )
    network_id = network.post("/networks", json={"network": {"name": "net"}}).json()["network"]["id"]
    subnet = {"network_id": network_id, "cidr": "10.9.0.0/24", "ip_version": 4}
    assert network.post("/subnets", json={"subnet": subnet}).status_code == 201
    body = {"name": "lighthouse", "imageRef": image_id, "flavorRef": "1", "networks": [{"uuid": network_id}]}
    made = compute.at("2.100", "POST", "/servers", json={"server": body})
    assert made.status_code == 202, made.text
    server_id = made.json()["server"]["id"]
    deadline = time.monotonic() + PATIENCE
    while (shown := compute.get(f"/servers/{server_id}").json()["server"])["status"] == "BUILD":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert shown["status"] == "ACTIVE", shown.get("fault")
    return server_id


def console(world, server, protocol, kind):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    compute = world.api("compute", user="demo")
    answer = compute.at("2.100", "POST", f"/servers/{server}/remote-consoles", json=body)
    assert answer.status_code == 200, answer.text
    parts = urlsplit(answer.json()["remote_console"]["url"])
    if parts.scheme == "ws":
        return connect(parts.geturl(), proxy=None, subprotocols=["binary"])
    path = parse_qs(parts.query)["path"][0]
    return connect(f"ws://{parts.netloc}/{path}", proxy=None, subprotocols=["binary"])


def test_the_screen_speaks_rfb(world, server):
    with console(world, server, "vnc", "novnc") as talk:
        assert talk.recv(timeout=20).startswith(b"RFB 003.")
        talk.send(b"RFB 003.008\n")
        kinds = talk.recv(timeout=20)
        assert kinds[0] == len(kinds) - 1 > 0


def test_the_guest_took_its_name_from_the_drive_and_talks_on_its_serial_line(world, server):
    seen, deadline = b"", time.monotonic() + PATIENCE
    with console(world, server, "serial", "serial") as talk:
        while b"lighthouse login:" not in seen:
            assert time.monotonic() < deadline, seen[-2000:].decode(errors="replace")
            try:
                seen += talk.recv(timeout=5)
            except TimeoutError:
                talk.send(b"\r")


def test_diagnostics_come_from_the_running_guest(world, server):
    answer = world.api("compute").at("2.100", "GET", f"/servers/{server}/diagnostics")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["state"], told["num_cpus"], told["config_drive"]) == ("running", 1, True)
    assert told["nic_details"][0]["rx_octets"] is None
    older = world.api("compute").at("2.47", "GET", f"/servers/{server}/diagnostics")
    assert older.status_code == 200, older.text
    assert older.json()["memory"] == 512 * 1024
