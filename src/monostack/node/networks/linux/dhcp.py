"""DHCP of one network: dnsmasq with one fixed address for each port, and no choice of its own.

The addresses are decided in the database before any guest asks, so dnsmasq only repeats them: a static
range for each subnet, one file for each port, no lease file (`leasefile-ro` and `dhcp-authoritative` let it
confirm any lease that agrees with the files, also after it was restarted). New ports are noticed by dnsmasq
itself, which watches the folder; changed and removed ones and changed options need one SIGHUP; only other
ranges need a restart.

It runs as nobody, with its files below /run where it can read them and where they vanish together with the
namespaces when the machine restarts. It does not end with this program: the next one finds it by its pid
file and by the configuration that its command line names.

Option 121 (RFC 3442) always carries the way to 169.254.169.254 through the DHCP address itself, so metadata
needs no router; a client that reads it ignores option 3, therefore the default route stands in both.
"""

import contextlib
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from monostack.kit.crash import point
from monostack.node.errors import Broken, Retry
from monostack.node.networks.linux import namespaces
from monostack.node.networks.linux.firewall import METADATA
from monostack.node.networks.linux.names import SERVICE_END

LEASE_SECONDS = 86400
PATIENCE = 3.0


def served(network: dict) -> list[dict]:
    """The IPv4 subnets on which DHCP answers."""
    return [
        subnet
        for subnet in network["subnets"]
        if subnet["ip_version"] == 4 and subnet["enable_dhcp"] and subnet["dhcp_ip"]
    ]


def configuration(network: dict, folder: Path, domain: str) -> str:
    """What dnsmasq reads only when it starts."""
    lines = [
        "no-hosts",
        "no-resolv",
        "bind-dynamic",
        f"interface={SERVICE_END}",
        "except-interface=lo",
        "user=nobody",
        f"pid-file={folder}/dnsmasq.pid",
        f"log-facility={folder}/dnsmasq.log",
        "quiet-dhcp",
        "leasefile-ro",
        "dhcp-authoritative",
        f"dhcp-hostsdir={folder}/hosts",
        f"dhcp-optsfile={folder}/options",
        f"domain={domain}",
        f"local=/{domain}/",
    ]
    for subnet in served(network):
        cidr = ipaddress.ip_network(subnet["cidr"])
        lines.append(
            f"dhcp-range=set:{tag(subnet)},{cidr.network_address},static,{cidr.netmask},{LEASE_SECONDS}"
        )
    return "\n".join(lines) + "\n"


def options(network: dict) -> str:
    """What guests are told beside their address; read again on SIGHUP."""
    lines = []
    for subnet in served(network):
        own, gateway = f"tag:{tag(subnet)}", subnet["gateway_ip"]
        hops = [(f"{METADATA}/32", subnet["dhcp_ip"])]
        hops += [
            (route["destination"], route["nexthop"])
            for route in subnet["host_routes"]
            if ipaddress.ip_network(route["destination"], strict=False).version == 4
        ]
        if gateway:
            hops.append(("0.0.0.0/0", gateway))
        told = ",".join(f"{destination},{hop}" for destination, hop in hops)
        resolvers = [server for server in subnet["dns_nameservers"] if ":" not in server] or [
            subnet["dhcp_ip"]
        ]
        lines += [
            f"{own},option:router,{gateway}" if gateway else f"{own},option:router",
            f"{own},option:dns-server"
            if resolvers == ["0.0.0.0"]
            else f"{own},option:dns-server,{','.join(resolvers)}",
            f"{own},option:classless-static-route,{told}",
            f"{own},249,{told}",
            f"{own},option:mtu,{network['mtu']}",
        ]
    return "\n".join(lines) + "\n"


def host(port: dict, network: dict) -> str:
    """The addresses of a port, one line for each subnet on which DHCP answers."""
    answered = {subnet["id"] for subnet in served(network)}
    lines = []
    for fixed in port["fixed_ips"]:
        if fixed["subnet_id"] not in answered:
            continue
        name = re.sub(r"[^a-z0-9-]", "-", (port["hostname"] or "").lower()).strip("-")[:63]
        name = name or f"host-{fixed['ip'].replace('.', '-')}"
        lines.append(f"{port['mac'].lower()},{fixed['ip']},{name}\n")
    return "".join(lines)


def tag(subnet: dict) -> str:
    return f"subnet-{subnet['id'][:11]}"


class Server:
    """The dnsmasq of one network, wherever it was started from."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder = folder
        self.namespace = namespace
        self.config = folder / "dnsmasq.conf"

    def converge(self, network: dict, ports: list[dict], domain: str) -> None:
        """Let dnsmasq run with what the network and its ports say."""
        hosts = self.folder / "hosts"
        open_folder(hosts)
        wanted = {port["id"]: text for port in ports if (text := host(port, network))}
        for path in hosts.iterdir():
            if path.name not in wanted:
                path.unlink()
        new = [write(hosts / id, text) for id, text in wanted.items()]
        told = write(self.folder / "options", options(network))
        ranges = write(self.config, configuration(network, self.folder, domain))
        pid = self.pid()
        if pid is not None and ranges:
            self.stop()
            pid = None
        if pid is None:
            self.start()
        elif told or any(new):
            self.reload(pid)

    def place(self, port: dict, network: dict) -> None:
        """Write one port's addresses. A new file is noticed by itself, a changed one is not."""
        hosts = self.folder / "hosts"
        if not hosts.is_dir():
            return
        text = host(port, network)
        if not text:
            self.drop(port["id"])
            return
        known = (hosts / port["id"]).exists()
        if write(hosts / port["id"], text) and known:
            self.reload(self.pid())

    def drop(self, port_id: str) -> None:
        path = self.folder / "hosts" / port_id
        if path.exists():
            point("linux.dhcp.drop.before")
            path.unlink()
            self.reload(self.pid())
            point("linux.dhcp.drop.after")

    def pid(self) -> int | None:
        """The running server by its pid file, held against what the process itself was started with."""
        try:
            pid = int((self.folder / "dnsmasq.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    def start(self) -> None:
        """Start dnsmasq in its namespace; it goes into the background when it is ready to answer."""
        program = shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            raise Broken("DHCP needs dnsmasq; install the package 'dnsmasq-base'.")
        self._end(self._strays())
        point("linux.dhcp.start.before")
        with namespaces.within(self.namespace):
            done = subprocess.run(
                [program, f"--conf-file={self.config}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=20,
            )
        point("linux.dhcp.start.after")
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise Retry(f"dnsmasq did not start: {words}")

    def stop(self) -> None:
        pid = self.pid()
        point("linux.dhcp.stop.before")
        self._end([pid] if pid is not None else self._strays())
        point("linux.dhcp.stop.after")

    def reload(self, pid: int | None) -> None:
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    def remove(self) -> bool:
        """Stop the server and take its files away; True when no process of it is left."""
        self.stop()
        if self._strays():
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _end(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while any(self._is_ours(pid) for pid in pids):
            if time.monotonic() > deadline:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                deadline += PATIENCE
            time.sleep(0.01)

    def _strays(self) -> list[int]:
        """Servers that a kill left without a pid file."""
        if not namespaces.exists(self.namespace):
            return []
        return [pid for pid in namespaces.processes(self.namespace) if self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"--conf-file={self.config}".encode() in words


def open_folder(path: Path) -> None:
    """A folder that everybody may read, whatever this program's umask is: dnsmasq runs as nobody."""
    if path.is_dir():
        return
    open_folder(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


def write(path: Path, text: str) -> bool:
    """Put a whole file in its place if it is not there already; True when it was not."""
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        open_folder(path.parent)
    fresh = path.with_name(f".{path.name}~")
    point("linux.dhcp.write.before")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(path)
    point("linux.dhcp.write.after")
    return True
