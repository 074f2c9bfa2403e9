"""A whole cloud with real networks and one guest, for `test_metadata_service`: run inside namespaces of its
own.

Boots the image named on the command line, waits until the guest says that it read its metadata, and prints
what it saw as JSON in the last line.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path

from tests.conftest import World

from monostack import testing

PATIENCE = 200
SCRIPT = b"#!/bin/sh\necho script-of-$(hostname)-ran\n"
OCTETS = {"Content-Type": "application/octet-stream"}


def tell(image: Path) -> dict:
    with testing.cloud(hypervisor="qemu", networks="linux", stop_guests="true") as cloud:
        world = World(cloud)
        server_id = boot(world, image)
        output = console(world, server_id, (b"script-of-beacon-ran", b"source=metadata"))
        shown = world.api("compute", user="demo").get(f"/servers/{server_id}").json()["server"]
        return {"output": output, "config_drive": shown["config_drive"], "id": server_id}


def boot(world: World, image: Path) -> str:
    images, network, compute = (world.api(name, user="demo") for name in ("image", "network", "compute"))
    asked = {"name": "guest", "disk_format": "qcow2", "container_format": "bare"}
    image_id = images.post("/images", json=asked).json()["id"]
    images.put(f"/images/{image_id}/file", content=image.read_bytes(), headers=OCTETS)
    network_id = network.post("/networks", json={"network": {"name": "net"}}).json()["network"]["id"]
    subnet = {"network_id": network_id, "cidr": "10.9.0.0/24", "ip_version": 4}
    network.post("/subnets", json={"subnet": subnet})
    compute.at("2.10", "POST", "/os-keypairs", json={"keypair": {"name": "mine"}})
    body = {
        "name": "beacon",
        "imageRef": image_id,
        "flavorRef": "1",
        "key_name": "mine",
        "user_data": base64.b64encode(SCRIPT).decode(),
        "networks": [{"uuid": network_id}],
    }
    answer = compute.at("2.100", "POST", "/servers", json={"server": body})
    assert answer.status_code == 202, answer.text
    return answer.json()["server"]["id"]


def console(world: World, server_id: str, awaited: tuple[bytes, ...]) -> str:
    """What the guest printed, once it has printed what is awaited, or all patience is gone."""
    deadline, output = time.monotonic() + PATIENCE, ""
    while time.monotonic() < deadline:
        compute = world.api("compute", user="demo")
        answer = compute.post(f"/servers/{server_id}/action", json={"os-getConsoleOutput": {"length": 60}})
        output = answer.json().get("output", "") if answer.status_code == 200 else answer.text
        if all(words.decode() in output for words in awaited):
            break
        time.sleep(1)
    return output


if __name__ == "__main__":
    print(json.dumps(tell(Path(sys.argv[1]))))
