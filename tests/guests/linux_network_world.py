"""Namespaces in the place of a machine and of guests, for the tests of the linux networks.

The driver and its loop run in one thread that has left the machine's namespaces, so what the driver takes
for "the machine" is the test's own. A guest is a namespace with a tap of its own; like QEMU, a pump holds
the fd that `plug` handed out and carries frames between it and the guest's card.
"""

import asyncio
import contextlib
import ctypes
import http.client
import json
import os
import select
import shutil
import socket
import subprocess
import threading
import uuid
from concurrent.futures import Future
from pathlib import Path

import uvloop

from monostack.node.networks.linux import LinuxNetworks, links, namespaces, obstacle

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x4000, 0x40000
NEEDED = ("nft", "busybox", "ping", "ip")


def missing() -> str | None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [program for program in NEEDED if shutil.which(program, path=path) is None]
    return f"not installed: {', '.join(absent)}" if absent else obstacle()


REASON = missing()


def new() -> str:
    return str(uuid.uuid4())


class Machine:
    """A machine of the test's own: a thread in its own namespaces, with a loop for the driver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = uvloop.new_event_loop()
        ready: Future = Future()
        self.thread = threading.Thread(target=self._live, args=(ready,), name="machine", daemon=True)
        self.thread.start()
        ready.result(10)

    def _live(self, ready: Future) -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            for result in (
                libc.unshare(CLONE_NEWNS | CLONE_NEWNET),
                libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None),
                libc.mount(b"tmpfs", b"/run", b"tmpfs", ctypes.c_ulong(0), None),
            ):
                if result:
                    raise OSError(ctypes.get_errno(), "namespaces of the test's own")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            subprocess.run(["ip", "link", "add", "lan0", "type", "bridge"], check=True)
            subprocess.run(["ip", "addr", "add", "192.0.2.10/24", "dev", "lan0"], check=True)
            subprocess.run(["ip", "link", "set", "lan0", "up"], check=True)
        except BaseException as error:
            ready.set_exception(error)
            return
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(ready.set_result, None)
        self.loop.run_forever()

    def do(self, coroutine, timeout: float = 30.0):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def call(self, function, *arguments, timeout: float = 30.0):
        """Call something that blocks, in a thread of this machine."""
        return self.do(asyncio.to_thread(function, *arguments), timeout)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.call(
            lambda: subprocess.run(command, capture_output=True, text=True, check=check, timeout=20)
        )

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


class Guest:
    """A namespace in a guest's place: its card is a tap, and a thread is its QEMU."""

    def __init__(self, machine: Machine, name: str, mac: str, descriptor: int, mtu: int) -> None:
        self.machine, self.name = machine, f"guest-{name}"
        self.host_end = descriptor
        self.guest_end = machine.call(self._make_card, mac, mtu)
        self.stopped, self.stopper = os.pipe()
        self.pump = threading.Thread(target=self._carry, daemon=True, name=self.name)
        self.pump.start()

    def _make_card(self, mac: str, mtu: int) -> int:
        namespaces.create(self.name)
        with namespaces.within(self.name):
            card = links.open_tap("eth0")
            for words in (f"link set eth0 address {mac} mtu {mtu} up", "link set lo up"):
                subprocess.run(["ip", *words.split()], check=True)
            namespaces.write_setting("ipv6/conf/all/accept_dad", 0)
        return card

    def _carry(self) -> None:
        other = {self.host_end: self.guest_end, self.guest_end: self.host_end}
        while True:
            ready, _, _ = select.select([*other, self.stopped], [], [])
            if self.stopped in ready:
                return
            for source in ready:
                with contextlib.suppress(OSError):
                    os.write(other[source], os.read(source, 70_000))

    def run(self, *command: str, timeout: float = 20.0) -> subprocess.CompletedProcess:
        def inside() -> subprocess.CompletedProcess:
            with namespaces.within(self.name):
                return subprocess.run(command, capture_output=True, text=True, timeout=timeout)

        return self.machine.call(inside)

    def socket(self, kind: int = socket.SOCK_STREAM) -> socket.socket:
        def inside() -> socket.socket:
            with namespaces.within(self.name):
                return socket.socket(socket.AF_INET, kind)

        return self.machine.call(inside)

    def address(self, *cidrs: str, gateway: str | None = None) -> None:
        for cidr in cidrs:
            self.run("ip", "addr", "add", cidr, "dev", "eth0", *(["nodad"] if ":" in cidr else []))
        if gateway:
            self.run("ip", "route", "replace", "default", "via", gateway)

    def reaches(self, address: str, *more: str) -> bool:
        """Whether an address answers; asked for a while, since the first question may go to finding it."""
        return self.run("ping", "-c", "1", "-w", "3", *more, address).returncode == 0

    def misses(self, address: str, *more: str) -> bool:
        """Whether an address does not answer, asked once."""
        return self.run("ping", "-c", "1", "-W", "0.6", *more, address).returncode != 0

    def forget_neighbours(self) -> None:
        self.run("ip", "neigh", "flush", "all")

    def unplug(self) -> None:
        os.write(self.stopper, b"x")
        self.pump.join(5)
        for descriptor in (self.host_end, self.guest_end, self.stopped, self.stopper):
            os.close(descriptor)


def subnet(cidr: str, **more) -> dict:
    base = cidr.rpartition(".")[0]
    return {
        "id": new(),
        "cidr": cidr,
        "ip_version": 4,
        "gateway_ip": f"{base}.1",
        "enable_dhcp": True,
        "dhcp_ip": f"{base}.2",
        "dhcp_mac": "fa:16:3e:dd:00:02",
        "dns_nameservers": ["192.0.2.53"],
        "host_routes": [],
    } | more


def network(*subnets: dict, **more) -> dict:
    return {
        "kind": "network",
        "id": new(),
        "version": 1,
        "desired": "present",
        "name": "n",
        "mtu": 1450,
        "external": False,
        "physical_network": None,
        "segment": 1,
        "subnets": list(subnets),
    } | more


def port(on: dict, ip: str, number: int, groups=(), **more) -> dict:
    return {
        "kind": "port",
        "id": new(),
        "version": 1,
        "desired": "present",
        "network_id": on["id"],
        "mac": f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}",
        "mtu": on["mtu"],
        "fixed_ips": [{"subnet_id": on["subnets"][0]["id"], "ip": ip, "prefix": 24}],
        "device_owner": "compute:nova",
        "device_id": new(),
        "hostname": f"vm-{number}",
        "port_security": True,
        "security_groups": list(groups),
        "allowed_address_pairs": [],
        "admin_up": True,
    } | more


def rule(**more) -> dict:
    return {
        "id": new(),
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": None,
        "port_min": None,
        "port_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
    } | more


OUT = [{"direction": "egress"}, {"direction": "egress", "ethertype": "IPv6"}]


def group(*rules: dict, members=(), **more) -> dict:
    return {
        "kind": "security_group",
        "id": new(),
        "version": 1,
        "desired": "present",
        "stateful": True,
        "rules": [rule(**words) for words in OUT] + list(rules),
        "members": list(members),
    } | more


def router(interfaces, external=None, floating=(), **more) -> dict:
    return {
        "kind": "router",
        "id": new(),
        "version": 1,
        "desired": "present",
        "name": "r",
        "admin_up": True,
        "external": external,
        "routes": [],
        "interfaces": [
            {
                "port_id": new(),
                "network_id": on["id"],
                "mac": f"fa:16:3e:aa:00:{number:02x}",
                "ips": [
                    {"subnet_id": on["subnets"][0]["id"], "ip": on["subnets"][0]["gateway_ip"], "prefix": 24}
                ],
            }
            for number, on in enumerate(interfaces, 1)
        ],
        "floating_ips": [
            {"id": new(), "floating_ip": public, "fixed_ip": private} for public, private in floating
        ],
    } | more


def outside(on: dict, ip: str, number: int, **more) -> dict:
    return {
        "network_id": on["id"],
        "mac": f"fa:16:3e:ee:00:{number:02x}",
        "enable_snat": True,
        "ips": [{"subnet_id": on["subnets"][0]["id"], "ip": ip, "prefix": 24}],
        "gateway_ip": on["subnets"][0]["gateway_ip"],
    } | more


ICMP = {"protocol": "icmp"}


class Cloud:
    """A driver on a machine, and the guests that were plugged into it."""

    def __init__(self, machine: Machine, folder: Path, cloud_id: str | None = None, **options) -> None:
        self.machine, self.folder, self.options = machine, folder, options
        self.cloud_id = cloud_id or new()
        self.guests: list[Guest] = []
        self.made: list[dict] = []
        self.asked: list[tuple] = []
        self.networks = LinuxNetworks(folder, self.cloud_id, options)
        self.networks.metadata = self.metadata
        self.told = machine.do(self.networks.start())

    async def metadata(self, network_id, source_ip, method, path, headers, body):
        self.asked.append((network_id, source_ip, method, path))
        return 200, {"content-type": "application/json"}, json.dumps([network_id, source_ip, path]).encode()

    def make(self, *parts: dict) -> None:
        for part in parts:
            facts = self.machine.do(self.networks.make(part))
            assert (facts["state"], facts["version"], facts["error"]) == ("present", part["version"], None)
            self.made = [old for old in self.made if old["id"] != part["id"]] + [part]

    def look(self) -> dict:
        return self.machine.do(self.networks.look())

    def boot(self, part: dict, *cidrs: str, gateway: str | None = None) -> Guest:
        self.make(part)
        plugged = self.machine.do(self.networks.plug(part["id"]))
        descriptor = plugged["fds"][0]
        assert plugged["args"] == ["-netdev", f"tap,id=n-{part['id'][:11]},fd={descriptor}"]
        guest = Guest(self.machine, part["id"][:6], part["mac"], descriptor, part["mtu"])
        guest.address(*cidrs, gateway=gateway)
        self.guests.append(guest)
        return guest

    def end(self) -> None:
        for guest in self.guests:
            with contextlib.suppress(OSError):
                guest.unplug()
        order = ["router", "port", "network", "security_group"]
        for part in sorted(self.made, key=lambda part: order.index(part["kind"])):
            assert self.machine.do(self.networks.unmake(part["kind"], part["id"])) is True
        assert self.look() == {}
        self.machine.do(self.networks.stop())


LEASE = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
set -- $staticroutes
while [ -n "$1" ]; do ip route replace $1 via $2; shift 2; done
echo "$ip/$mask router=$router dns=$dns mtu=$mtu domain=$domain hostname=$hostname" > $OUT
"""


def lease(guest: Guest, folder: Path) -> str:
    """Let the guest ask for its address as the small guest image does; answers what it was told."""
    script, told = folder / "lease.sh", folder / f"{guest.name}.lease"
    script.write_text(LEASE)
    script.chmod(0o755)
    told.unlink(missing_ok=True)
    done = guest.run(
        "env",
        f"OUT={told}",
        "busybox",
        "udhcpc",
        "-i",
        "eth0",
        "-n",
        "-q",
        "-f",
        "-t",
        "4",
        "-T",
        "1",
        "-O",
        "staticroutes",
        "-O",
        "mtu",
        "-O",
        "domain",
        "-O",
        "hostname",
        "-s",
        str(script),
    )
    return told.read_text().strip() if told.exists() else f"no lease: {done.stderr}"


def fetch(guest: Guest, path: str) -> object:
    """Ask for metadata as the guest."""
    with guest.socket() as talking:
        talking.settimeout(3)
        talking.connect(("169.254.169.254", 80))
        talking.sendall(f"GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n".encode())
        answer = http.client.HTTPResponse(talking)
        answer.begin()
        return json.loads(answer.read())


def begin(guest: Guest, *command: str):
    """Start a command in a guest; calling the answer waits for what it printed."""
    done: Future = Future()
    threading.Thread(target=lambda: done.set_result(guest.run(*command).stdout), daemon=True).start()
    return lambda: done.result(20)
