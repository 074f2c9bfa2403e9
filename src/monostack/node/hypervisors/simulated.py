"""Simulated servers: the states and facts of the real driver, kept in a dictionary.

A test of the cloud wants a world that it can look into, slow down and break. `world.servers` is that
world: each entry is what a real driver would keep beside the disk (epochs, power state, what was plugged
in) and the part it came from. Faults and delays are asked for by the name of a step ("spawn", "reboot",
"stop", "start", "pause", "unpause", "suspend", "resume", "rebuild", "resize", "plug", "delete", "look")
and reach the agent as the same two errors that a real driver raises. The first start of a server belongs
to its step ("spawn", "rebuild", "resize"), so that `fail(next="start")` means the start that a user asked
for.

The world must be able to outlive the program, otherwise nobody could test what happens to it when the
program is killed. With the option `persist` every change is appended to a journal before it counts as
done; at start the journal is read back and written anew without its history. A last line that a kill cut
short never counted as done and is left out.

Options: vcpus, memory_mb, local_gb (the size of the host), delays (seconds by step), persist, clock
(anything with an async `sleep`; the real time if there is none).
"""

import asyncio
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from monostack.kit.crash import point
from monostack.node.errors import Broken, Retry
from monostack.node.hypervisors import Images, Turns, absent, present
from monostack.node.hypervisors.plan import GONE, POWERS, shape, steps

JOURNAL = "simulated-world.jsonl"
OPERATIONS = (
    "spawn",
    "reboot",
    "stop",
    "start",
    "pause",
    "unpause",
    "suspend",
    "resume",
    "rebuild",
    "resize",
    "plug",
    "delete",
    "look",
)
QUESTIONS = ("console_log", "diagnostics", "nmi", "snapshot")
VERSION = 1_000_000


class World:
    """What exists, and how it misbehaves."""

    def __init__(self, journal: "Journal | None") -> None:
        self.servers: dict[str, dict] = journal.replay() if journal else {}
        self.journal = journal
        self.calls: dict[str, int] = {}
        self.delays: dict[str, float] = {}
        self.faults: dict[str, list[Exception]] = {}

    def put(self, id: str, record: dict) -> None:
        if self.journal:
            self.journal.append(id, record)
        self.servers[id] = record

    def drop(self, id: str) -> None:
        if self.journal:
            self.journal.append(id, None)
        self.servers.pop(id, None)


class Journal:
    """Changes of the world, one JSON line each: an id, and what is there now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: int | None = None

    def replay(self) -> dict[str, dict]:
        servers: dict[str, dict] = {}
        if not self.path.exists():
            return servers
        for line in self.path.read_bytes().splitlines():
            try:
                id, record = msgspec.json.decode(line)
            except (msgspec.DecodeError, ValueError):
                continue
            if record is None:
                servers.pop(id, None)
            else:
                servers[id] = record
        return servers

    def compact(self, servers: dict[str, dict]) -> None:
        """Write the world without its history, then follow it with what changes from now on."""
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            for id, record in servers.items():
                file.write(self.line(id, record))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def append(self, id: str, record: dict | None) -> None:
        if self.file is None:
            raise Retry("The simulated world has been stopped.")
        os.write(self.file, self.line(id, record))

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None

    @staticmethod
    def line(id: str, record: dict | None) -> bytes:
        return msgspec.json.encode([id, record]) + b"\n"


class SimulatedHypervisor:
    """The Hypervisor driver over a world in memory."""

    name = "simulated"

    def __init__(
        self,
        state: Path,
        cloud_id: str,
        networks: Any = None,
        images: Images | None = None,
        options: dict | None = None,
    ) -> None:
        self.options = options or {}
        self.cloud_id = cloud_id
        self.networks = networks
        self.on_change: Callable[[str], None] = lambda id: None
        self.world = World(Journal(Path(state) / JOURNAL) if self.options.get("persist") else None)
        self.world.delays.update(self.options.get("delays") or {})
        self._turns = Turns()
        self._steps = {
            "spawn": self._spawn,
            "reboot": self._reboot,
            "stop": self._stop,
            "start": self._start,
            "pause": self._pause,
            "unpause": self._unpause,
            "suspend": self._suspend,
            "resume": self._resume,
            "rebuild": self._rebuild,
            "resize": self._resize,
        }

    # What a test arranges.

    def fail(
        self,
        next: str,
        error: str = "The simulated fault that was asked for.",
        times: int = 1,
        retry: bool = False,
    ) -> None:
        """Let the next `times` runs of a step fail, for good or (`retry`) for the moment."""
        self._known(next)
        kind = Retry if retry else Broken
        self.world.faults.setdefault(next, []).extend(kind(error) for _ in range(times))

    def delay(self, operation: str, seconds: float) -> None:
        """Let a step take that long from now on; 0 ends it."""
        self._known(operation)
        self.world.delays[operation] = seconds

    def guest_powers_off(self, id: str) -> None:
        """What the real driver sees when somebody inside the server runs `poweroff`."""
        self._by_itself(id, "off")

    def guest_crashes(self, id: str) -> None:
        """What the real driver sees when the machine of a server dies."""
        self._by_itself(id, "crashed")

    # What the agent calls.

    async def start(self) -> dict:
        if self.world.journal:
            self.world.journal.compact(self.world.servers)
        vcpus = self.options.get("vcpus", 64)
        return {
            "hypervisor_type": "simulated",
            "hypervisor_version": VERSION,
            "vcpus": vcpus,
            "memory_mb": self.options.get("memory_mb", 262144),
            "local_gb": self.options.get("local_gb", 10000),
            "cpu_info": {
                "arch": "x86_64",
                "model": "simulated",
                "vendor": "monostack",
                "features": [],
                "topology": {"sockets": 1, "cores": vcpus, "threads": 1},
            },
            "acceleration": "simulated",
            "why": "Servers are simulated; no guest runs.",
        }

    async def look(self) -> dict[str, dict]:
        await self._meet("look")
        return {id: present(record) for id, record in self.world.servers.items()}

    async def make(self, part: dict) -> dict:
        id = part["id"]
        if part.get("desired") == "absent":
            await self.unmake(id)
            return absent(part)
        if part["power"] not in POWERS:
            raise Broken(f"A server is {', '.join(POWERS)}; it cannot be '{part['power']}'.")
        async with self._turns(id):
            for step in steps(part, self.world.servers.get(id)):
                if step == "start" and self.world.servers[id]["power"] == "running":
                    continue
                await self._steps[step](part)
            await self._plug(part)
            return present(self._settle(part))

    async def unmake(self, id: str) -> bool:
        async with self._turns(id):
            await self._meet("delete")
            record = self.world.servers.get(id)
            if record is None:
                return True
            if self.networks:
                for port_id in record["plugged"]:
                    await self.networks.unplug(port_id)
            point("simulated.delete.before")
            self.world.drop(id)
            point("simulated.delete.after")
            return True

    async def ask(self, id: str, question: str, args: dict | None = None) -> Any:
        record = self.world.servers.get(id)
        if record is None:
            raise LookupError(f"Server {id} is not on this host.")
        if question == "console_log":
            return self._console_log(record, (args or {}).get("length"))
        if question == "diagnostics":
            return self._diagnostics(record)
        if question == "nmi":
            if record["power"] != "running":
                raise LookupError(f"Server {id} is {record['power']}; only a running one takes an interrupt.")
            self._change(id, interrupts=record["interrupts"] + 1)
            return None
        if question == "snapshot":
            return await asyncio.to_thread(_snapshot, record["part"], args or {})
        if question in ("vnc", "serial"):
            raise LookupError("A simulated server has no screen and no serial line to connect to.")
        raise LookupError(f"A server cannot be asked for '{question}'; it answers {', '.join(QUESTIONS)}.")

    async def stop(self, stop_guests: bool = False) -> None:
        """Close the journal; with `stop_guests` the simulated guests go down first."""
        if stop_guests:
            for id, record in list(self.world.servers.items()):
                if record["power"] not in GONE:
                    self._change(id, power="off", lost=True)
        if self.world.journal:
            self.world.journal.close()

    # The steps of the plan.

    async def _spawn(self, part: dict) -> None:
        await self._meet("spawn")
        on = part["power"] != "off"
        record = {
            "part": part,
            "place": part["place"],
            "boot": part["boot"],
            "disk": part["disk"],
            "power": "running" if on else "off",
            "applied": "running" if on else "off",
            "shape": shape(part),
            "lost": False,
            "plugged": [],
            "boots": int(on),
            "interrupts": 0,
        }
        point("simulated.spawn.before")
        self.world.put(part["id"], record)
        point("simulated.spawn.after")

    async def _rebuild(self, part: dict) -> None:
        await self._meet("rebuild")
        point("simulated.rebuild.before")
        self._change(part["id"], part=part, disk=part["disk"], **self._first_start(part))
        point("simulated.rebuild.after")

    async def _resize(self, part: dict) -> None:
        await self._meet("resize")
        point("simulated.resize.before")
        self._change(part["id"], part=part, **self._first_start(part))
        point("simulated.resize.after")

    async def _start(self, part: dict) -> None:
        await self._meet("start")
        point("simulated.start.before")
        self._change(part["id"], **self._one_more_boot(part))
        point("simulated.start.after")

    async def _reboot(self, part: dict) -> None:
        await self._meet("reboot")
        point("simulated.reboot.before")
        self._change(part["id"], **self._one_more_boot(part))
        point("simulated.reboot.after")

    async def _stop(self, part: dict) -> None:
        await self._meet("stop")
        point("simulated.stop.before")
        self._change(part["id"], power="off", applied="off")
        point("simulated.stop.after")

    async def _pause(self, part: dict) -> None:
        await self._meet("pause")
        point("simulated.pause.before")
        self._change(part["id"], power="paused", applied="paused")
        point("simulated.pause.after")

    async def _unpause(self, part: dict) -> None:
        await self._meet("unpause")
        point("simulated.unpause.before")
        self._change(part["id"], power="running", applied="running")
        point("simulated.unpause.after")

    async def _suspend(self, part: dict) -> None:
        await self._meet("suspend")
        point("simulated.suspend.before")
        self._change(part["id"], power="suspended", applied="suspended")
        point("simulated.suspend.after")

    async def _resume(self, part: dict) -> None:
        await self._meet("resume")
        point("simulated.resume.before")
        self._change(part["id"], power="running", applied="running")
        point("simulated.resume.after")

    # Smaller things.

    def _one_more_boot(self, part: dict) -> dict:
        return {
            "power": "running",
            "applied": "running",
            "boot": part["boot"],
            "boots": self.world.servers[part["id"]]["boots"] + 1,
            "lost": False,
        }

    def _first_start(self, part: dict) -> dict:
        change = {"shape": shape(part), "power": "off", "applied": "off"}
        if part["power"] == "off":
            return change
        return change | self._one_more_boot(part)

    async def _plug(self, part: dict) -> None:
        """Plug in what the part names and unplug what it no longer names."""
        id = part["id"]
        wanted = [nic["port_id"] for nic in part["nics"]]
        plugged = self.world.servers[id]["plugged"]
        if wanted == plugged:
            return
        await self._meet("plug")
        for port_id in plugged:
            if self.networks and port_id not in wanted:
                await self.networks.unplug(port_id)
        for port_id in wanted:
            if self.networks and port_id not in plugged:
                for file in (await self.networks.plug(port_id))["fds"]:
                    os.close(file)
        point("simulated.plug.before")
        self._change(id, plugged=wanted)
        point("simulated.plug.after")

    def _settle(self, part: dict) -> dict:
        """Record the part, now that all it asks for is done. A guest that went by itself keeps its power."""
        record = self.world.servers[part["id"]]
        power = "off" if part["power"] == "off" else record["power"]
        done = {
            "part": part,
            "place": part["place"],
            "boot": max(record["boot"], part["boot"]),
            "power": power,
            "applied": part["power"],
        }
        if any(record[name] != value for name, value in done.items()):
            self._change(part["id"], **done)
        return self.world.servers[part["id"]]

    def _change(self, id: str, **change: Any) -> None:
        self.world.put(id, self.world.servers[id] | change)

    def _by_itself(self, id: str, power: str) -> None:
        if self.world.servers[id]["power"] in GONE:
            raise LookupError(f"Server {id} is already {self.world.servers[id]['power']}.")
        self._change(id, power=power)
        self.on_change(id)

    def _known(self, operation: str) -> None:
        if operation not in OPERATIONS:
            raise ValueError(f"There is no step '{operation}'; the steps are {', '.join(OPERATIONS)}.")

    async def _meet(self, operation: str) -> None:
        """Whatever was arranged for this step happens here, before anything is changed."""
        world = self.world
        world.calls[operation] = world.calls.get(operation, 0) + 1
        seconds = world.delays.get(operation)
        if seconds:
            clock = self.options.get("clock")
            await (clock.sleep(seconds) if clock is not None else asyncio.sleep(seconds))
        waiting = world.faults.get(operation)
        if waiting:
            raise waiting.pop(0)

    def _console_log(self, record: dict, length: int | None) -> str:
        part = record["part"]
        lines: list[str] = []
        for boot in range(record["boots"]):
            lines += [
                f"[    0.000000] Simulated machine of server {part['id']}, start {boot + 1}",
                f"[    0.000100] Processors: {part['vcpus']}",
                f"[    0.000200] Memory: {part['ram']} MiB",
                f"[    0.100000] Interfaces: {len(record['plugged'])}",
            ]
            lines += [f"[    0.200000] {nic['mac']} is up" for nic in part["nics"]]
            lines += ["", f"{part['name']} login: "]
        if length is not None and length >= 0:
            lines = lines[-length:] if length else []
        return "\n".join(lines)

    def _diagnostics(self, record: dict) -> dict:
        part = record["part"]
        if record["power"] in GONE:
            raise LookupError(f"Server {part['id']} is {record['power']}; it has no diagnostics.")
        disk = {"read_bytes": 0, "read_requests": 0, "write_bytes": 0, "write_requests": 0, "errors_count": 0}
        return {
            "state": record["power"],
            "driver": self.name,
            "hypervisor": "simulated",
            "hypervisor_os": "simulated",
            "uptime": 0,
            "config_drive": part["config_drive"] is not None,
            "num_cpus": part["vcpus"],
            "num_nics": len(record["plugged"]),
            "num_disks": 1,
            "memory_details": {"maximum": part["ram"], "used": part["ram"]},
            "cpu_details": [{"id": number, "time": 0, "utilisation": 0} for number in range(part["vcpus"])],
            "disk_details": [disk],
            "nic_details": [
                {
                    "mac_address": nic["mac"],
                    "rx_octets": 0,
                    "rx_errors": 0,
                    "rx_drop": 0,
                    "rx_packets": 0,
                    "rx_rate": 0,
                    "tx_octets": 0,
                    "tx_errors": 0,
                    "tx_drop": 0,
                    "tx_packets": 0,
                    "tx_rate": 0,
                }
                for nic in part["nics"]
            ],
        }


def _snapshot(part: dict, args: dict) -> dict:
    """A disk that a simulated server could have had: a sparse raw file, or the head of an empty qcow2 one."""
    disk_format = args.get("disk_format") or "qcow2"
    size = (part["disk_gb"] or 1) * 1024**3
    content = f"The disk of the simulated server {part['id']}.\n".encode()
    if disk_format == "qcow2":
        content = _empty_qcow2(size)
    elif disk_format != "raw":
        raise LookupError(f"A disk is copied as qcow2 or raw, not as '{disk_format}'.")
    target = Path(args["path"])
    target.write_bytes(content)
    if disk_format == "raw":
        os.truncate(target, size)
    return {"size": target.stat().st_size, "virtual_size": size}


def _empty_qcow2(size: int) -> bytes:
    """An empty disk as QEMU writes one (docs/interop/qcow2): header, counts, map."""
    cluster = 65536
    entries = max(1, -(-size // (cluster * cluster // 8)))
    map_clusters = -(-entries * 8 // cluster)
    numbers = (2, 0, 0, 16, size, 0, entries, 3 * cluster, cluster, 1, 0, 0)
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", *numbers)
    table = struct.pack(">Q", 2 * cluster)
    uses = struct.pack(">H", 1) * (3 + map_clusters)
    clusters = [piece.ljust(cluster, b"\0") for piece in (header, table, uses)]
    return b"".join(clusters) + bytes(cluster * map_clusters)
