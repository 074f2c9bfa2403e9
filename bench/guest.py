"""A real guest from POST to its login prompt, against bare QEMU: `python bench/guest.py [ROUNDS]`, as root.

Bare is QEMU with the same machine, memory and image, started by hand. Both run in network and mount
namespaces of this program's own, so the machine's networks are not touched; the guest's image is made before,
because there is no way out of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measured import Measured

PROMPT = b"login:"
PATIENCE = 180.0
RAM = 128
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monostack"
INSIDE = (
    "mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs none /run/netns && "
    'ip link set lo up && exec "$@"'
)


def prompted(find, started: float) -> float:
    """Seconds until the console that `find` finds shows the prompt."""
    while time.perf_counter() - started < PATIENCE:
        console = find()
        if console is not None and PROMPT in console.read_bytes():
            return time.perf_counter() - started
        time.sleep(0.02)
    raise SystemExit("no login prompt came")


def bare(image: Path, acceleration: str) -> float:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        disk, console = Path(folder, "disk.qcow2"), Path(folder, "console.log")
        started = time.perf_counter()
        make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image), str(disk), "1G"]
        subprocess.run(make, check=True)
        words = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "pc", "-m", str(RAM)]
        if acceleration == "kvm":
            words += ["-accel", "kvm", "-cpu", "host"]
        else:
            words += ["-accel", "tcg,tb-size=32", "-cpu", "Nehalem"]
        words += ["-display", "none", "-device", "VGA,vgamem_mb=8", "-serial", f"file:{console}"]
        words += ["-object", "rng-random,id=random0,filename=/dev/urandom"]
        words += ["-device", "virtio-rng-pci,rng=random0", "-drive", f"file={disk},if=virtio,discard=unmap"]
        words += ["-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-pci,netdev=n0,romfile="]
        guest = subprocess.Popen(words)
        try:
            return prompted(lambda: console if console.exists() else None, started)
        finally:
            guest.kill()
            guest.wait()


def prepared(cloud: Measured, token: str, image: Path) -> dict:
    """Image and network are there; the body of the server's request."""
    asked = {"name": "guest", "disk_format": "qcow2", "container_format": "bare"}
    image_id = cloud.call("POST", 9292, "/v2/images", asked, token)["id"]
    cloud.call("PUT", 9292, f"/v2/images/{image_id}/file", image.read_bytes(), token)
    network = cloud.call("POST", 9696, "/v2.0/networks", {"network": {"name": "bench"}}, token)["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.77.0.0/24"}
    cloud.call("POST", 9696, "/v2.0/subnets", {"subnet": subnet}, token)
    flavor = {"name": "bench", "ram": RAM, "vcpus": 1, "disk": 1}
    flavor_id = cloud.call("POST", 8774, "/v2.1/flavors", {"flavor": flavor}, token)["flavor"]["id"]
    return {
        "name": "bench",
        "imageRef": image_id,
        "flavorRef": flavor_id,
        "networks": [{"uuid": network["id"]}],
    }


def in_cloud(cloud: Measured, token: str, body: dict) -> tuple[float, float]:
    """Seconds from POST to ACTIVE, and to the login prompt."""
    started = time.perf_counter()
    made = cloud.call("POST", 8774, "/v2.1/servers", {"server": body}, token)["server"]
    path = f"/v2.1/servers/{made['id']}"
    while (status := cloud.call("GET", 8774, path, token=token)["server"]["status"]) == "BUILD":
        time.sleep(0.02)
    assert status == "ACTIVE", status
    active = time.perf_counter() - started
    took = prompted(lambda: next(cloud.state.rglob(f"{made['id']}*/console.log"), None), started)
    cloud.call("DELETE", 8774, path, token=token)
    return active, took


def measure(image: Path, rounds: int) -> None:
    with Measured(14000, hypervisor="qemu", options=("--networks", "linux", "--stop-guests")) as cloud:
        token = cloud.login()
        body = prepared(cloud, token, image)
        tried = next(cloud.state.rglob("acceleration.json"))
        acceleration = json.loads(tried.read_text())["acceleration"]
        for _ in range(rounds):
            alone = bare(image, acceleration)
            active, took = in_cloud(cloud, token, body)
            print(
                f"bare QEMU ({acceleration}) to the login prompt {alone:.2f} s; POST to ACTIVE "
                f"{active:.2f} s, to the login prompt {took:.2f} s: {took - alone:+.2f} s "
                f"(load average {os.getloadavg()[0]:.1f})",
                flush=True,
            )


def main() -> None:
    if sys.argv[1:2] == ["inside"]:
        measure(Path(sys.argv[2]), int(sys.argv[3]))
        return
    from monostack.node import guest_image

    if os.geteuid() != 0:
        raise SystemExit("This needs root, for namespaces of its own and real networks.")
    rounds = sys.argv[1] if len(sys.argv) > 1 else "3"
    image = guest_image.build(CACHE / "guest.qcow2", CACHE, print)
    here = [sys.executable, __file__, "inside", str(image), rounds]
    raise SystemExit(
        subprocess.run(["unshare", "--net", "--mount", "bash", "-c", INSIDE, "bash", *here]).returncode
    )


if __name__ == "__main__":
    main()
