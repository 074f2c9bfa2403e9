"""Disks of real guests through the whole cloud: a running guest's disk becomes an image, and another disk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import World
from tests.guests.metadata_world import boot

from monostack import testing
from monostack.node import guest_image

pytestmark = [pytest.mark.guests, pytest.mark.slow, pytest.mark.timeout(300)]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monostack"


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
def world() -> Iterator[World]:
    with testing.cloud(hypervisor="qemu", networks="user", stop_guests="true") as cloud:
        yield World(cloud)


def until(ask, holds, seconds: float = 100.0) -> dict:
    deadline = time.monotonic() + seconds
    while True:
        found = ask()
        if holds(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def settled(world: World, server_id: str) -> dict:
    def ask() -> dict:
        return world.api("compute", user="demo").get(f"/servers/{server_id}").json()["server"]

    return until(ask, lambda server: server["OS-EXT-STS:task_state"] is None)


def test_a_running_guests_disk_becomes_an_image_and_the_guest_starts_from_it(world, image):
    compute, images = world.api("compute", user="demo"), world.api("image", user="demo")
    server_id = boot(world, image)
    assert settled(world, server_id)["status"] == "ACTIVE"
    path = f"/servers/{server_id}/action"
    answer = compute.at("2.45", "POST", path, json={"createImage": {"name": "copy"}})
    assert answer.status_code == 202, answer.text
    image_id = answer.json()["image_id"]
    made = until(
        lambda: images.get(f"/images/{image_id}").json(), lambda shown: shown.get("status") == "active"
    )
    assert (made["disk_format"], made["virtual_size"]) == ("qcow2", 1 << 30)
    assert made["size"] >= 1 << 20
    assert settled(world, server_id)["status"] == "ACTIVE"
    answer = compute.at("2.45", "POST", path, json={"rebuild": {"imageRef": image_id}})
    assert answer.status_code == 202, answer.text
    after = settled(world, server_id)
    assert (after["status"], after["image"]["id"]) == ("ACTIVE", image_id), after.get("fault")
