"""Networks without any right on the machine: each guest's network lives inside its own QEMU.

QEMU's user networking (slirp) is a small IPv4 network with one guest in it. It hands the guest its fixed
address by DHCP, stands at the gateway's address, and lets the guest out as an ordinary program of this
user. From the machine the guest is reached only through a port of 127.0.0.1 that is forwarded to its port
22; which one is decided once for each port, remembered, and told in the facts of the port and of the router
that carries a floating IP for it.

What this cannot do is said in words by `start`, and by nothing else: the parts are accepted and recorded as
they are, so that the same templates work on a laptop and in a data centre. The packet filter of the linux
driver needs CAP_NET_ADMIN, so security groups filter nothing here; two guests do not see each other; ICMP
does not pass; metadata comes from a config drive because nothing can listen at 169.254.169.254.

Source: QEMU's documentation of -netdev user.
"""

import hashlib
import ipaddress
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monostack.kit.crash import point
from monostack.node.errors import Broken, Retry
from monostack.node.networks import KINDS, facts_of
from monostack.node.networks.journal import Journal

JOURNAL = "user-network.jsonl"
FIRST_FORWARDED, LAST_FORWARDED = 20022, 22021

LIMITS = (
    "The machine's networks need root, so each guest has a network of its own inside QEMU: it reaches out "
    "through this machine, is reached by SSH through a port of 127.0.0.1 (see 'forwarded' in the port's "
    "facts), does not see other guests, does not answer ping, is not filtered by security groups, and reads "
    "its metadata from a config drive. Floating IPs are addresses in the database only."
)


class UserNetworks:
    """The Networks driver that needs no rights."""

    name = "user"

    def __init__(self, state: Path, cloud_id: str, options: dict | None = None) -> None:
        self.options = options or {}
        self.cloud_id = cloud_id
        self.journal = Journal(Path(state) / JOURNAL)
        self.parts: dict[tuple[str, str], dict] = {}
        self.forwards: dict[str, int] = {}
        self.metadata: Callable[..., Any] | None = None

    async def start(self) -> dict:
        remembered = self.journal.replay()
        self.journal.compact(remembered)
        for (kind, id), part in remembered.items():
            if kind == "forward":
                self.forwards[id] = part["ssh"]
            else:
                self.parts[kind, id] = part
        return {"driver": self.name, "config_drive": True, "why": LIMITS}

    async def look(self) -> dict[tuple[str, str], dict]:
        return {key: self._facts(part) for key, part in self.parts.items()}

    async def make(self, part: dict) -> dict:
        kind, id = part["kind"], part["id"]
        if kind not in KINDS:
            raise Broken(f"Networks are made of {', '.join(KINDS)}; a part of kind '{kind}' is none of them.")
        if part.get("desired") == "absent":
            await self.unmake(kind, id)
            return facts_of(part, state="absent")
        if kind == "port":
            self._forward(id)
        if self.parts.get((kind, id)) != part:
            point("user.network.make.before")
            self.journal.append(kind, id, part)
            self.parts[kind, id] = part
            point("user.network.make.after")
        return self._facts(part)

    async def unmake(self, kind: str, id: str) -> bool:
        point("user.network.unmake.before")
        if self.parts.pop((kind, id), None) is not None:
            self.journal.append(kind, id, None)
        if kind == "port" and self.forwards.pop(id, None) is not None:
            self.journal.append("forward", id, None)
        point("user.network.unmake.after")
        return True

    async def plug(self, port_id: str) -> dict:
        port = self.parts.get(("port", port_id))
        if port is None:
            raise Retry(f"Port {port_id} has not been made on this host yet.")
        network = self.parts.get(("network", port["network_id"]))
        if network is None:
            raise Retry(f"The network of port {port_id} has not been made on this host yet.")
        if not free(self.forwards[port_id]):
            self._forward(port_id, anew=True)
        return {"args": ["-netdev", netdev(port, network, self.forwards[port_id])], "fds": []}

    async def unplug(self, port_id: str) -> None:
        """Nothing to do: the network ends with its QEMU, and the forwarded port stays reserved."""

    async def stop(self) -> None:
        self.journal.close()

    def _facts(self, part: dict) -> dict:
        if part["kind"] == "port":
            return facts_of(part, forwarded={"ssh": f"127.0.0.1:{self.forwards[part['id']]}"})
        if part["kind"] == "router":
            return facts_of(part, forwarded=self._floating(part))
        return facts_of(part)

    def _floating(self, router: dict) -> dict[str, dict]:
        """Where the guest behind each floating IP of a router is reached instead."""
        networks = {interface["network_id"] for interface in router["interfaces"]}
        reached = {
            fixed["ip"]: {"ssh": f"127.0.0.1:{self.forwards[id]}"}
            for (kind, id), port in self.parts.items()
            if kind == "port" and port["network_id"] in networks
            for fixed in port["fixed_ips"]
        }
        return {
            floating["floating_ip"]: reached[floating["fixed_ip"]]
            for floating in router["floating_ips"]
            if floating["fixed_ip"] in reached
        }

    def _forward(self, port_id: str, anew: bool = False) -> None:
        """Reserve a port of 127.0.0.1 for a guest's SSH; the same one for as long as nobody else took it."""
        if port_id in self.forwards and not anew:
            return
        first = self.options.get("forward_first", FIRST_FORWARDED)
        last = self.options.get("forward_last", LAST_FORWARDED)
        count = last - first + 1
        taken = set(self.forwards.values())
        begin = int.from_bytes(hashlib.sha256(port_id.encode()).digest()[:4]) % count
        for step in range(count):
            number = first + (begin + step) % count
            if number not in taken and free(number):
                self.journal.append("forward", port_id, {"ssh": number})
                self.forwards[port_id] = number
                return
        raise Retry(f"No free port is left on 127.0.0.1 between {first} and {last} to forward to the guest.")


def free(number: int) -> bool:
    """Whether a port of 127.0.0.1 can be listened on, asked of the machine and not of our memory."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
            probe.listen(1)
        except OSError:
            return False
    return True


def netdev(port: dict, network: dict, forwarded: int) -> str:
    """The -netdev argument of a port; a port without an IPv4 address gets a cable that leads nowhere."""
    id = f"n-{port['id'][:11]}"
    subnets = {subnet["id"]: subnet for subnet in network["subnets"]}
    for fixed in port["fixed_ips"]:
        subnet = subnets.get(fixed["subnet_id"])
        if subnet is not None and subnet["ip_version"] == 4:
            break
    else:
        return f"user,id={id},restrict=on"
    cidr = ipaddress.IPv4Network(subnet["cidr"])
    host = subnet["gateway_ip"]
    if host is None or host == fixed["ip"] or ipaddress.ip_address(host) not in cidr:
        host = spare_address(cidr, {fixed["ip"]})
    resolver = subnet["dhcp_ip"]
    if resolver in (None, host, fixed["ip"]):
        resolver = spare_address(cidr, {fixed["ip"], host})
    words = [f"user,id={id},net={cidr},host={host},dns={resolver},dhcpstart={fixed['ip']},ipv6=off"]
    hostname = re.sub(r"[^A-Za-z0-9-]", "-", port.get("hostname") or "")
    if hostname:
        words.append(f"hostname={hostname}")
    words.append(f"hostfwd=tcp:127.0.0.1:{forwarded}-:22")
    return ",".join(words)


def spare_address(cidr: ipaddress.IPv4Network, used: set[str]) -> str:
    """The highest address of the subnet that nobody here uses; slirp must stand somewhere."""
    highest = int(cidr.broadcast_address) - 1
    lowest = int(cidr.network_address) + 1
    for number in range(highest, lowest - 1, -1):
        address = str(ipaddress.IPv4Address(number))
        if address not in used:
            return address
    raise Broken(f"Subnet {cidr} is too small for user networking: it takes two addresses of its own.")
