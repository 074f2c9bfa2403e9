"""The story: from nothing to a guest that answers over its floating address, and back.

Each step is a method that does something with the real client and looks whether it is so; what it returns is
shown beside its time. A step that a world without packets cannot hold is left out, and the table says why.
"""

from __future__ import annotations

import filecmp
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monostack.demo.commands import Client, Guest, Loaded, StepFailed, pings, until
from monostack.demo.process import CloudProcess

NAME = "demo-guest"
PING_STEPS = ("ping is blocked", "ping is answered")


@dataclass
class Step:
    """One step of the story, and how it went."""

    title: str
    action: Callable[[], str]
    seconds: float = 0.0
    state: str = "waiting"
    result: str = ""
    left_out: str = ""


@dataclass
class Facts:
    """What the story learned on its way and shows at the end."""

    floating_ip: str = ""
    fixed_ip: str = ""
    ssh: str = ""
    server_id: str = ""
    image_id: str = ""
    started: dict[str, float] = field(default_factory=dict)


class Story:
    """`mode` is "linux" (everything), "user" (ssh only, by a forwarded port) or "simulated" (no packets)."""

    def __init__(self, cloud: CloudProcess, image: Path, mode: str, shown: Callable[[str], None]) -> None:
        self.cloud = cloud
        self.image = image
        self.mode = mode
        self.state = cloud.state
        self.key = cloud.state / "demo-key.pem"
        self.facts = Facts()
        self.guest: Guest | None = None
        self.loaded = Loaded()
        self.shown = shown
        self.steps = self._plan()

    def _plan(self) -> list[Step]:
        steps = [
            Step("the cloud starts", self.start_cloud),
            Step("tokens for admin and demo", self.tokens),
            Step("image: upload, download, the same bytes", self.upload_image),
            Step("key pair", self.make_keypair),
            Step("network, subnet, router, gateway, interface", self.build_network),
            Step("security group: only ssh", self.make_security_group),
            Step("server is ACTIVE", self.boot),
            Step("floating address", self.make_floating_ip),
            Step("console: login prompt and metadata", self.read_console),
            Step("ping is blocked", self.ping_blocked),
            Step("ping is answered", self.ping_answered),
            Step("ssh: hostname is the server's name", self.log_in),
            Step("reboot, reachable again", self.reboot),
            Step("pause, unpause", self.pause),
            Step("stop, start", self.stop_and_start),
            Step("monostack restarted and killed under the guest", self.restart_cloud),
            Step("delete, nothing of it is left", self.delete),
        ]
        for step in steps:
            if step.title in PING_STEPS and self.mode != "linux":
                step.left_out = {"user": "no ping through QEMU's own network", "simulated": "no packets"}[
                    self.mode
                ]
            if step.title.startswith("ssh") and self.mode == "simulated":
                step.left_out = "no packets"
        return steps

    def tell(self, changed: Callable[[Step], None]) -> bool:
        """Do all steps; whether every one held. After a failure the rest is left out."""
        broken = False
        for step in self.steps:
            if broken:
                step.left_out = step.left_out or "an earlier step failed"
            if step.left_out:
                step.state = "left out"
                changed(step)
                continue
            step.state = "running"
            changed(step)
            started = time.monotonic()
            try:
                step.result = step.action() or ""
                step.state = "done"
            except StepFailed as reason:
                step.result, step.state = str(reason), "failed"
                broken = True
            step.seconds = time.monotonic() - started
            changed(step)
        return not broken

    # the steps

    def start_cloud(self) -> str:
        seconds = self.cloud.start()
        clouds = self.state / "clouds.yaml"
        self.demo = Client(self.loaded, clouds, "monostack-demo", self.shown)
        self.admin = Client(self.loaded, clouds, "monostack", self.shown)
        self._clear()
        return f"answers after {seconds:.1f} s"

    def tokens(self) -> str:
        for client in (self.admin, self.demo):
            token = client.json("token", "issue")
            if not token["id"] or not token["project_id"]:
                raise StepFailed(f"the token has no id or no project: {sorted(token)}")
        return "both issued"

    def upload_image(self) -> str:
        made = self.demo.json(
            "image",
            "create",
            "--disk-format",
            "qcow2",
            "--container-format",
            "bare",
            "--file",
            str(self.image),
            "demo-image",
        )
        self.facts.image_id = made["id"]
        image = self.demo.json("image", "show", "demo-image")
        if image["status"] != "active":
            raise StepFailed(f"the image is {image['status']}, not active")
        copy = self.state / "demo-image.copy"
        self.demo("image", "save", "--file", str(copy), "demo-image")
        same = filecmp.cmp(copy, self.image, shallow=False)
        copy.unlink()
        if not same:
            raise StepFailed("the downloaded image has other bytes than the uploaded one")
        return f"{self.image.stat().st_size / 1e6:.1f} MB"

    def make_keypair(self) -> str:
        self.key.unlink(missing_ok=True)
        private = self.demo("keypair", "create", "demo-key")
        descriptor = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(private)
        return str(self.key)

    def build_network(self) -> str:
        self.demo("network", "create", "demo-net")
        self.demo(
            "subnet", "create", "--network", "demo-net", "--subnet-range", "10.42.0.0/24", "demo-subnet"
        )
        self.demo("router", "create", "demo-router")
        self.demo("router", "set", "--external-gateway", "public", "demo-router")
        self.demo("router", "add", "subnet", "demo-router", "demo-subnet")
        return "10.42.0.0/24 behind demo-router"

    def make_security_group(self) -> str:
        self.demo("security", "group", "create", "demo-group")
        self.demo(
            "security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "22", "demo-group"
        )
        return "tcp 22"

    def boot(self) -> str:
        started = time.monotonic()
        server = self.demo.json(
            "server",
            "create",
            "--flavor",
            "m1.nano",
            "--image",
            "demo-image",
            "--network",
            "demo-net",
            "--key-name",
            "demo-key",
            "--security-group",
            "demo-group",
            NAME,
        )
        self.facts.server_id = server["id"]
        self.facts.started["boot"] = started
        shown = until(lambda: self._server_is("ACTIVE"), 120, "the server was not ACTIVE")
        self.facts.fixed_ip = _addresses(shown)[0]
        return f"{self.facts.fixed_ip}, {time.monotonic() - started:.1f} s after POST"

    def make_floating_ip(self) -> str:
        address = self.demo.json("floating", "ip", "create", "public")["floating_ip_address"]
        self.demo("server", "add", "floating", "ip", NAME, address)
        self.facts.floating_ip = address
        self.guest = self._way_in(address)
        return address

    def _way_in(self, address: str) -> Guest | None:
        if self.mode == "linux":
            self.facts.ssh = f"ssh -i {self.key} cloud@{address}"
            return Guest(address, 22, self.key)
        if self.mode == "user":
            ports = self.admin.json("port", "list", "--server", self.facts.server_id)
            details = self.admin.json("port", "show", ports[0]["ID"])["binding_vif_details"]
            host, _, port = details["forwarded"]["ssh"].partition(":")
            self.facts.ssh = f"ssh -i {self.key} -p {port} cloud@{host}"
            return Guest(host, int(port), self.key)
        return None

    def read_console(self) -> str:
        wanted = ["login:"] if self.mode == "simulated" else ["login:", self.facts.server_id]

        def read() -> bool:
            text = self.demo("console", "log", "show", NAME)
            return all(word in text for word in wanted)

        until(read, 120, f"the console did not show {' and '.join(wanted)}", every=0.3)
        return f"{time.monotonic() - self.facts.started['boot']:.1f} s after POST"

    def ping_blocked(self) -> str:
        if pings(self.facts.floating_ip, 2):
            raise StepFailed(f"{self.facts.floating_ip} answers ping although no rule allows it")
        return "no answer, as it should be"

    def ping_answered(self) -> str:
        self.demo("security", "group", "rule", "create", "--protocol", "icmp", "demo-group")
        if not pings(self.facts.floating_ip, 5):
            raise StepFailed(f"{self.facts.floating_ip} does not answer ping although the rule allows it now")
        return "right after the rule, nothing restarted"

    def log_in(self) -> str:
        if self.guest is None:
            raise StepFailed("no way leads into the guest")
        name = self.guest.run("hostname")
        if name != NAME:
            raise StepFailed(f"the guest's hostname is {name!r}, not {NAME!r}")
        return name

    def reboot(self) -> str:
        before = self._boot()
        self.demo("server", "reboot", NAME)
        until(lambda: self._server_is("ACTIVE"), 120, "the server did not come back from its reboot")
        if before is None:
            return "ACTIVE again"
        until(lambda: self._boot() != before, 120, "the guest did not start anew", every=1.0)
        return "another boot of the same guest"

    def pause(self) -> str:
        self.demo("server", "pause", NAME)
        until(lambda: self._server_is("PAUSED"), 30, "the server was not PAUSED")
        self.demo("server", "unpause", NAME)
        until(lambda: self._server_is("ACTIVE"), 30, "the server was not ACTIVE again")
        self._boot()
        return "PAUSED, ACTIVE"

    def stop_and_start(self) -> str:
        self.demo("server", "stop", NAME)
        until(lambda: self._server_is("SHUTOFF"), 90, "the server was not SHUTOFF")
        self.demo("server", "start", NAME)
        until(lambda: self._server_is("ACTIVE"), 90, "the server was not ACTIVE again")
        self._boot(120)
        return "SHUTOFF, ACTIVE"

    def restart_cloud(self) -> str:
        before = self._boot()
        stopped = self.cloud.stop()
        started = self.cloud.start()
        self._still_there(before)
        self.cloud.kill()
        self.cloud.start()
        self._still_there(before)
        never = "" if before is None else "; the guest never noticed"
        return f"down {stopped:.1f} s, up {started:.1f} s, killed, up again{never}"

    def _still_there(self, before: str | None) -> None:
        until(lambda: self._server_is("ACTIVE"), 30, "the server was not ACTIVE after the restart")
        if self._boot() != before:
            raise StepFailed("the guest was restarted together with the cloud")

    def delete(self) -> str:
        self.demo("server", "delete", NAME)
        until(lambda: self.demo.gone("server", "show", NAME), 60, "the server could still be shown")
        self.demo("floating", "ip", "delete", self.facts.floating_ip)
        server = self.facts.server_id

        def nothing_left() -> bool:
            left = self.state / "node" / "servers" / server
            return not left.exists() and not _processes_of(server)

        until(nothing_left, 60, "files or processes of the server were still there")
        return "no row, no process, no file"

    # what steps share

    def _server_is(self, status: str) -> dict | None:
        server = self.demo.json("server", "show", NAME)
        if server["status"] == "ERROR":
            fault = (server.get("fault") or {}).get("message", "no fault was told")
            raise StepFailed(f"the server is in ERROR: {fault}")
        return server if server["status"] == status else None

    def _boot(self, seconds: float = 60.0) -> str | None:
        """What names the present boot of the guest: a slow one may be up longer than it was before."""
        if self.guest is None:
            return None
        return self.guest.run("cat /proc/sys/kernel/random/boot_id", seconds)

    def _clear(self) -> None:
        """Remove what an interrupted story left behind."""
        names = {server["Name"] for server in self.demo.json("server", "list")}
        if NAME in names:
            self.demo("server", "delete", "--wait", NAME)
        for kind in (["keypair"], ["image"], ["security", "group"]):
            listed = {row["Name"] for row in self.demo.json(*kind, "list")}
            for name in sorted(each for each in listed if each.startswith("demo-")):
                self.demo(*kind, "delete", name)
        self._clear_network()

    def _clear_network(self) -> None:
        for row in self.demo.json("floating", "ip", "list"):
            self.demo("floating", "ip", "delete", row["ID"])
        if any(row["Name"] == "demo-router" for row in self.demo.json("router", "list")):
            for row in self.demo.json("subnet", "list"):
                if row["Name"] == "demo-subnet":
                    try:
                        self.demo("router", "remove", "subnet", "demo-router", "demo-subnet")
                    except StepFailed:
                        continue
            self.demo("router", "delete", "demo-router")
        if any(row["Name"] == "demo-net" for row in self.demo.json("network", "list")):
            self.demo("network", "delete", "demo-net")

    def clear(self) -> None:
        """Remove everything the story made; what fails is left and said by the client."""
        self._clear()
        self.key.unlink(missing_ok=True)


def _addresses(server: dict) -> list[str]:
    addresses = server["addresses"]
    if isinstance(addresses, dict):
        return [address for each in addresses.values() for address in each]
    return [part.partition("=")[2].split(",")[0].strip() for part in str(addresses).split(";") if part]


def _processes_of(server_id: str) -> list[int]:
    """Processes whose command line names the server."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"qemu" in line and server_id.encode() in line:
            found.append(int(entry.name))
    return found
