"""Real servers: one QEMU each, driven over its monitor, with no daemon between.

QEMU is driven directly because what a host has to do for a server is little, and a layer between would
bring its own state, its own user and its own start. Guests belong to nobody: the program may be killed,
replaced and started again, and finds them by the names that their processes carry (`qemu_machine`). What
was last done with a server is kept beside its disk (`qemu_folder`); what is to do next, `plan` decides
for all drivers alike.

A guest that goes off or dies by itself is told to the agent by `on_change`, after it was written down,
and left so. Nothing is ever removed but by `unmake`.

Options: acceleration (auto, kvm, tcg), soft_reboot_seconds and power_off_seconds (how long a guest may
take to go off before it is ended), vcpus, memory_mb, local_gb (what the host offers; found out when not
given), qemu (the program). Where a service manager starts the program it must not end what the program
started (systemd: KillMode=process).
"""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monostack.kit.crash import point
from monostack.node.errors import Broken, Retry
from monostack.node.hypervisors import Images, Turns, absent, accel, config_drive, present, qemu_disk
from monostack.node.hypervisors import qemu_machine as machine
from monostack.node.hypervisors.plan import GONE, POWERS, shape, steps
from monostack.node.hypervisors.qemu_folder import Folder, all_folders, running_guests, write_durably
from monostack.node.hypervisors.qemu_guest import SNAPSHOT, Guest
from monostack.node.hypervisors.qmp import LONGEST_SOCKET_PATH, QmpError, QmpGone

QUESTIONS = ("console_log", "diagnostics", "vnc", "serial", "nmi", "snapshot")
PASSING = ("Cannot allocate memory", "lock", "Address already in use", "Resource busy", "No space left")
MEBIBYTE = 1024 * 1024


class Qemu:
    """The Hypervisor driver for QEMU."""

    name = "qemu"

    def __init__(
        self, state: Path, cloud_id: str, networks: Any, images: Images, options: dict | None = None
    ) -> None:
        self.state = Path(state).resolve()
        self.servers = self.state / "servers"
        self.cloud_id = cloud_id
        self.networks = networks
        self.images = images
        self.options = options or {}
        self.on_change: Callable[[str], None] = lambda id: None
        self.guests: dict[str, Guest] = {}
        self.facts: dict[str, dict] = {}
        self.acceleration = "tcg"
        self.qemu = ""
        self.boot_id = accel.host_boot_id()
        self._turns = Turns()
        self._stopping = False
        self._strays: dict[str, tuple[int, int]] = {}
        self._open_folders: dict[str, int] = {}
        self._afterwards: set[asyncio.Task] = set()
        self._steps = {
            "spawn": self._spawn,
            "rebuild": self._rebuild,
            "resize": self._resize,
            "start": self._start,
            "stop": self._stop,
            "reboot": self._reboot,
            "pause": self._pause,
            "unpause": self._unpause,
            "suspend": self._suspend,
            "resume": self._resume,
        }

    # What the agent calls.

    async def start(self) -> dict:
        """Find QEMU and what it can do, and take up the guests that run already."""
        self.qemu = shutil.which(self.options.get("qemu") or "qemu-system-x86_64") or ""
        if not self.qemu:
            raise Broken("QEMU is not installed. On Debian: apt-get install qemu-system-x86 qemu-utils")
        await asyncio.to_thread(self.servers.mkdir, parents=True, exist_ok=True, mode=0o700)
        wanted = self.options.get("acceleration") or "auto"
        self.acceleration, why = await accel.probe(self.qemu, self.state, wanted)
        for folder in await asyncio.to_thread(all_folders, self.servers):
            facts = await asyncio.to_thread(folder.read)
            if facts is not None:
                self.facts[folder.id] = facts
        await self._adopt()
        return await self._inventory(why)

    async def look(self) -> dict[str, dict]:
        await self._adopt()
        found = {}
        for id, facts in list(self.facts.items()):
            found[id] = present({**facts, "power": self._power(id)})
            await asyncio.to_thread(Folder(self.servers, id).trim_console_log)
        for id, (_, boot) in self._strays.items():
            part = {"id": id, "version": None, "desired": None}
            found[id] = present({"part": part, "place": None, "boot": boot, "disk": None, "power": "running"})
        return found

    async def make(self, part: dict) -> dict:
        id = part["id"]
        if part.get("desired") == "absent":
            await self.unmake(id)
            return absent(part)
        if part["power"] not in POWERS:
            raise Broken(f"A server is {', '.join(POWERS)}; it cannot be '{part['power']}'.")
        async with self._turns(id):
            try:
                await self._finish_suspending(id)
                for step in steps(part, self._known(id)):
                    await self._steps[step](part)
                await self._settle(part)
            except QmpGone as reason:
                raise Retry(f"The guest could not be asked: {reason}") from reason
            except QmpError as reason:
                raise Broken(f"QEMU refused: {reason}") from reason
            facts = present({**self.facts[id], "power": self._power(id)})
        if id in self.guests and facts["power"] in GONE:
            self._changed(id)
        return facts

    async def unmake(self, id: str) -> bool:
        async with self._turns(id):
            folder = Folder(self.servers, id)
            facts = self.facts.get(id) or {}
            guest = await self._guest(id)
            if guest is not None:
                point("qemu.kill.before")
                await guest.end()
                point("qemu.kill.after")
                self._forget_guest(id)
            for port_id in facts.get("plugged", ()):
                await self.networks.unplug(port_id)
            point("qemu.remove.before")
            await asyncio.to_thread(folder.remove)
            point("qemu.remove.after")
            self.facts.pop(id, None)
            left = await self._processes()
            return id not in left and not folder.path.exists()

    async def ask(self, id: str, question: str, args: dict | None = None) -> Any:
        if id not in self.facts:
            raise LookupError(f"Server {id} is not on this host.")
        folder = Folder(self.servers, id)
        if question == "console_log":
            return await asyncio.to_thread(folder.console_log, (args or {}).get("length"))
        if question not in QUESTIONS:
            raise LookupError(f"A server cannot be asked '{question}'; it answers {', '.join(QUESTIONS)}.")
        guest = self.guests.get(id)
        power = self._power(id)
        if question == "snapshot":
            return await self._snapshot(id, guest, args or {})
        if guest is None or power in GONE:
            raise LookupError(f"Server {id} is {power}; only a running one can be asked for its {question}.")
        if question in ("vnc", "serial"):
            return {"unix": self._socket(folder, f"{question}.sock")}
        try:
            monitor = await guest.connect()
            if question == "nmi":
                return await monitor.execute("inject-nmi")
            return await self._diagnostics(id, guest, monitor)
        except (QmpError, Retry) as reason:
            raise LookupError(f"Server {id} cannot be asked for its {question}: {reason}") from reason

    async def stop(self, stop_guests: bool = False) -> None:
        """Let go of the guests; with `stop_guests` they go down first, and come up at the next start."""
        self._stopping = True
        if stop_guests:
            await asyncio.gather(*(self._stop_with_host(id) for id in list(self.guests)))
        for task in self._afterwards:
            task.cancel()
        await asyncio.gather(*self._afterwards, return_exceptions=True)
        for guest in self.guests.values():
            await guest.release()
        self.guests.clear()
        for file in self._open_folders.values():
            os.close(file)
        self._open_folders.clear()

    # The steps of the plan.

    async def _spawn(self, part: dict) -> None:
        folder = Folder(self.servers, part["id"])
        await asyncio.to_thread(folder.path.mkdir, parents=True, exist_ok=True, mode=0o700)
        point("qemu.spawn.before")
        # A disk without a record was made by somebody who was killed, or the record was lost: it is kept.
        if not (folder / machine.DISK).exists():
            await self._make_disk(part, folder)
        await self._make_extra_disks(part, folder)
        await self._record(
            part["id"],
            cloud_id=self.cloud_id,
            part=_without_secrets(part),
            place=part["place"],
            boot=part["boot"],
            disk=part["disk"],
            applied="off",
            shape=shape(part),
            went="off",
            suspended=False,
            host_boot=self.boot_id,
            plugged=[],
            disk_gb=part["disk_gb"],
        )
        point("qemu.spawn.after")

    async def _rebuild(self, part: dict) -> None:
        folder = Folder(self.servers, part["id"])
        point("qemu.rebuild.before")
        await self._record(part["id"], disk=None, suspended=False, shape=shape(part))
        await self._make_disk(part, folder)
        for name in (machine.EPHEMERAL, machine.SWAP):
            (folder / name).unlink(missing_ok=True)
        await self._make_extra_disks(part, folder)
        await self._record(part["id"], disk=part["disk"], disk_gb=part["disk_gb"])
        point("qemu.rebuild.after")

    async def _resize(self, part: dict) -> None:
        point("qemu.resize.before")
        await self._make_extra_disks(part, Folder(self.servers, part["id"]))
        await self._grow(part, None)
        await self._record(part["id"], shape=shape(part))
        point("qemu.resize.after")

    async def _start(self, part: dict) -> None:
        point("qemu.start.before")
        await self._grow(part, None)
        if self.facts[part["id"]]["suspended"]:
            await self._drop_suspended(part["id"])
        await self._launch(part, paused=False)
        await self._record(part["id"], boot=part["boot"], **self._runs())
        point("qemu.start.after")

    async def _stop(self, part: dict) -> None:
        id = part["id"]
        point("qemu.stop.before")
        await self._power_off(id, self.options.get("power_off_seconds", 60))
        if self.facts[id]["suspended"]:
            await self._drop_suspended(id)
        await self._record(id, applied="off", went="off")
        point("qemu.stop.after")

    async def _reboot(self, part: dict) -> None:
        id = part["id"]
        point("qemu.reboot.before")
        patience = self.options.get("soft_reboot_seconds", 60) if part.get("reboot") == "soft" else 0
        await self._power_off(id, patience)
        if self.facts[id]["suspended"]:
            await self._drop_suspended(id)
        await self._launch(part, paused=False)
        await self._record(id, boot=part["boot"], **self._runs())
        point("qemu.reboot.after")

    async def _pause(self, part: dict) -> None:
        point("qemu.pause.before")
        await self._running(part["id"]).pause()
        await self._record(part["id"], applied="paused")
        point("qemu.pause.after")

    async def _unpause(self, part: dict) -> None:
        id = part["id"]
        point("qemu.unpause.before")
        await self._running(id).unpause()
        await self._record(id, **self._runs())
        point("qemu.unpause.after")

    async def _suspend(self, part: dict) -> None:
        id = part["id"]
        point("qemu.suspend.before")
        guest = self._running(id)
        await guest.save(machine.writable_nodes(part))
        await self._record(id, suspended=True, applied="suspended")
        await guest.end()
        self._forget_guest(id)
        point("qemu.suspend.after")

    async def _resume(self, part: dict) -> None:
        id = part["id"]
        point("qemu.resume.before")
        await self._launch(part, paused=True)
        guest = self._running(id)
        await guest.load(machine.writable_nodes(part))
        # Once the guest runs on, what was kept of it is the past and must not come back.
        await self._record(id, suspended=False)
        await guest.unpause()
        await guest.forget_saved(machine.writable_nodes(part))
        await self._record(id, **self._runs())
        point("qemu.resume.after")

    async def _settle(self, part: dict) -> None:
        """What needs no step of its own: interfaces, a greater disk, and the record that all is done."""
        id = part["id"]
        await self._converge_interfaces(part)
        await self._grow(part, self.guests.get(id))
        change = {
            "part": _without_secrets(part),
            "place": part["place"],
            "boot": max(part["boot"], self.facts[id]["boot"]),
            "applied": part["power"],
        }
        if part["power"] == "off":
            change["went"] = "off"
        await self._record(id, **change)

    # Running guests.

    async def _launch(self, part: dict, paused: bool) -> None:
        id = part["id"]
        folder = Folder(self.servers, id)
        await self._power_off(id, 0)
        await self._write_config_drive(part, folder)
        plugged = [nic["port_id"] for nic in part["nics"]]
        await self._record(id, plugged=sorted({*self.facts[id]["plugged"], *plugged}))
        plugs: list[dict] = []
        try:
            for port_id in plugged:
                plugs.append(await self.networks.plug(port_id))
            words = machine.command(
                self.qemu, self.acceleration, self.cloud_id, part, folder.path, plugs, paused
            )
            point("qemu.launch.before")
            await self._run_qemu(words, folder, [number for plug in plugs for number in plug["fds"]])
            point("qemu.launch.after")
        finally:
            for plug in plugs:
                for number in plug["fds"]:
                    os.close(number)
        await self._adopt_one(id, int((folder / "pid").read_text()), part["boot"])
        if paused:
            self.guests[id].power = "paused"

    async def _run_qemu(self, words: list[str], folder: Folder, files: list[int]) -> None:
        """QEMU returns once its guest is set up and its sockets listen; the guest then is on its own.

        It is started from a thread: the event loop's own way of starting programs leaves its pipes open in a
        program that is handed further descriptors, and a guest that never ends would never end them.
        """
        done = await asyncio.to_thread(
            subprocess.run,
            words,
            cwd=folder.path,
            pass_fds=files,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        complained = done.stderr
        code = done.returncode
        if code == 0:
            return
        lines = [line for line in complained.decode(errors="replace").splitlines() if "warning:" not in line]
        said = " ".join(lines).removeprefix(f"{self.qemu}: ") or f"it ended with {code}"
        if code < 0 or any(passing in said for passing in PASSING):
            raise Retry(f"QEMU did not start: {said}")
        raise Broken(f"QEMU did not start: {said}")

    async def _processes(self) -> dict[str, tuple[int, int]]:
        return await asyncio.to_thread(running_guests, self.cloud_id, self.servers)

    async def _adopt(self) -> None:
        """Take up guests of this cloud that run and are not yet watched; one without a record is a stray."""
        running = await self._processes()
        self._strays = {id: found for id, found in running.items() if id not in self.facts}
        for id, (pid, boot) in running.items():
            if id in self.facts and id not in self.guests and not self._turns(id).locked():
                with contextlib.suppress(Retry):
                    await self._adopt_one(id, pid, boot)

    async def _adopt_one(self, id: str, pid: int, boot: int) -> Guest:
        try:
            guest = Guest(Folder(self.servers, id), pid, boot, self._changed)
        except ProcessLookupError as reason:
            raise Retry("The guest ended just after its start.") from reason
        self.guests[id] = guest
        await guest.connect()
        if guest.power in GONE:
            self._changed(id)
        return guest

    async def _guest(self, id: str) -> Guest | None:
        """The guest of a server if its process is there, also if nobody has taken it up yet."""
        guest = self.guests.get(id)
        if guest is not None and guest.alive:
            return guest
        running = await self._processes()
        if id not in running:
            return None
        guest = self.guests[id] = Guest(Folder(self.servers, id), *running[id], self._changed)
        return guest

    def _runs(self) -> dict:
        """What is recorded once a guest runs, and not before."""
        return {"applied": "running", "went": None, "host_boot": self.boot_id}

    def _running(self, id: str) -> Guest:
        guest = self.guests.get(id)
        if guest is None or not guest.alive:
            raise Retry("The guest ended in the meantime.")
        return guest

    async def _finish_suspending(self, id: str) -> None:
        """A guest that is kept in its disk and yet stands in memory was left so by somebody who was killed
        between two steps. It has not run since it was kept, so nothing is lost with the process."""
        if id in self.facts and self.facts[id]["suspended"]:
            await self._power_off(id, 0)

    async def _power_off(self, id: str, patience: float) -> None:
        """Bring the guest down: by its power button for as long as patience lasts, then the hard way."""
        guest = await self._guest(id)
        if guest is None:
            return
        if patience and guest.power == "running":
            await guest.press_power_button(patience)
        point("qemu.end.before")
        await guest.end()
        point("qemu.end.after")
        self._forget_guest(id)

    async def _stop_with_host(self, id: str) -> None:
        async with self._turns(id):
            if self.facts[id]["applied"] in ("running", "paused"):
                await self._record(id, host_boot=None)
            await self._power_off(id, self.options.get("power_off_seconds", 60))

    def _changed(self, id: str) -> None:
        """A guest went off or ended. If no step of ours is under way, it did so by itself."""
        if self._stopping or self._turns(id).locked():
            return
        task = asyncio.get_running_loop().create_task(self._after_change(id))
        self._afterwards.add(task)
        task.add_done_callback(self._afterwards.discard)

    async def _after_change(self, id: str) -> None:
        async with self._turns(id):
            guest = self.guests.get(id)
            if guest is None or guest.power not in GONE or id not in self.facts:
                return
            point("qemu.went.before")
            await self._record(id, went=guest.power)
            await guest.end()
            self._forget_guest(id)
            point("qemu.went.after")
        self.on_change(id)

    def _forget_guest(self, id: str) -> None:
        self.guests.pop(id, None)
        if id in self._open_folders:
            os.close(self._open_folders.pop(id))

    # Facts.

    def _known(self, id: str) -> dict | None:
        facts = self.facts.get(id)
        if facts is None:
            return None
        guest = self.guests.get(id)
        lost = guest is None and facts["went"] is None and facts["host_boot"] != self.boot_id
        boot = max(facts["boot"], guest.boot) if guest is not None else facts["boot"]
        return {**facts, "boot": boot, "power": self._power(id), "lost": lost}

    def _power(self, id: str) -> str:
        """What is, from the process if there is one, else from the record."""
        facts = self.facts[id]
        if facts["suspended"]:
            return "suspended"
        if id in self.guests:
            return self.guests[id].power
        if facts["went"] is not None:
            return facts["went"]
        return "off" if facts["host_boot"] != self.boot_id else "crashed"

    async def _record(self, id: str, **change: Any) -> None:
        old = self.facts.get(id) or {}
        new = {**old, **change}
        if new != old:
            await asyncio.to_thread(Folder(self.servers, id).write, new)
            self.facts[id] = new

    # Disks and interfaces.

    async def _make_disk(self, part: dict, folder: Folder) -> None:
        fresh = folder / f"{machine.DISK}.new"
        await asyncio.to_thread(fresh.unlink, missing_ok=True)
        if part["image"] is None:
            if not part["disk_gb"]:
                raise Broken("The server has neither an image nor a disk in its flavor.")
            await qemu_disk.blank(part["disk_gb"] * qemu_disk.GIBIBYTE, fresh)
        else:
            base = await self.images(part["image"])
            await qemu_disk.overlay(base, part["image"]["disk_format"], part["disk_gb"], fresh)
        await asyncio.to_thread(fresh.replace, folder / machine.DISK)

    async def _make_extra_disks(self, part: dict, folder: Folder) -> None:
        wanted = (
            (machine.EPHEMERAL, part.get("ephemeral_gb", 0) * qemu_disk.GIBIBYTE),
            (machine.SWAP, part.get("swap_mb", 0) * MEBIBYTE),
        )
        for name, size in wanted:
            if size and not (folder / name).exists():
                fresh = folder / f"{name}.new"
                await qemu_disk.blank(size, fresh)
                await asyncio.to_thread(fresh.replace, folder / name)

    async def _write_config_drive(self, part: dict, folder: Folder) -> None:
        if part.get("config_drive") is None:
            return
        try:
            content = await asyncio.to_thread(config_drive.from_part, part["config_drive"])
        except ValueError as reason:
            raise Broken(str(reason)) from reason
        await asyncio.to_thread(write_durably, folder / machine.CONFIG, content)

    async def _drop_suspended(self, id: str) -> None:
        """Forget the memory of a suspended guest; from here on it starts like one that was off."""
        await self._record(id, suspended=False, went="off")
        for name in machine.WRITABLE:
            if (Folder(self.servers, id) / name).exists():
                await qemu_disk.drop_snapshot(Folder(self.servers, id) / name, SNAPSHOT)

    async def _grow(self, part: dict, guest: Guest | None) -> None:
        id = part["id"]
        if part["disk_gb"] <= self.facts[id]["disk_gb"]:
            return
        point("qemu.grow.before")
        if guest is not None:
            await guest.grow_disk(machine.WRITABLE[machine.DISK], part["disk_gb"] * qemu_disk.GIBIBYTE)
        else:
            await qemu_disk.grow(Folder(self.servers, id) / machine.DISK, part["disk_gb"])
        point("qemu.grow.after")
        await self._record(id, disk_gb=part["disk_gb"])

    async def _converge_interfaces(self, part: dict) -> None:
        """Plug into the guest what the part names now, and take out what it no longer names."""
        id = part["id"]
        wanted = {nic["port_id"]: nic for nic in part["nics"]}
        guest = self.guests.get(id)
        for port_id in [port for port in self.facts[id]["plugged"] if port not in wanted]:
            point("qemu.unplug.before")
            if guest is not None:
                await guest.unplug(machine.device_id(port_id), machine.netdev_id(port_id))
            await self.networks.unplug(port_id)
            point("qemu.unplug.after")
            await self._record(id, plugged=[port for port in self.facts[id]["plugged"] if port != port_id])
        if guest is None:
            return
        for port_id in [port for port in wanted if port not in self.facts[id]["plugged"]]:
            plug = await self.networks.plug(port_id)
            try:
                point("qemu.plug.before")
                await guest.plug(machine.network_device(part, wanted[port_id]), plug)
                point("qemu.plug.after")
            finally:
                for number in plug["fds"]:
                    os.close(number)
            await self._record(id, plugged=sorted({*self.facts[id]["plugged"], port_id}))

    # Answers.

    def _socket(self, folder: Folder, name: str) -> str:
        """A path to a socket that fits into an address, if need be through an open folder."""
        path = folder / name
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return str(path)
        if folder.id not in self._open_folders:
            self._open_folders[folder.id] = os.open(folder.path, os.O_PATH | os.O_CLOEXEC)
        return f"/proc/{os.getpid()}/fd/{self._open_folders[folder.id]}/{name}"

    async def _snapshot(self, id: str, guest: Guest | None, args: dict) -> dict:
        """The server's disk as one file at args["path"], in args["disk_format"] (qcow2 or raw), while a guest
        that runs goes on. The answer is the size of the file and of the disk."""
        disk_format = args.get("disk_format") or "qcow2"
        if disk_format not in ("qcow2", "raw"):
            raise LookupError(f"A disk is copied as qcow2 or raw, not as '{disk_format}'.")
        disk, target = Folder(self.servers, id) / machine.DISK, Path(args["path"])
        try:
            size = await qemu_disk.image_size(disk, "qcow2", own=True)
            point("qemu.snapshot.before")
            if guest is None:
                await qemu_disk.copy(disk, target, disk_format)
            else:
                await qemu_disk.blank(size, target, disk_format)
                await guest.copy_disk(machine.WRITABLE[machine.DISK], target, disk_format)
        except (QmpError, Retry, Broken) as reason:
            raise LookupError(f"The disk of server {id} could not be copied: {reason}") from reason
        point("qemu.snapshot.after")
        return {"size": (await asyncio.to_thread(target.stat)).st_size, "virtual_size": size}

    async def _diagnostics(self, id: str, guest: Guest, monitor: Any) -> dict:
        part = self.facts[id]["part"]
        processors = await monitor.execute("query-cpus-fast")
        blocks = await monitor.execute("query-blockstats")
        memory, threads, uptime = await asyncio.to_thread(_of_process, guest.pid)
        statistics = [block["stats"] for block in blocks]
        return {
            "state": guest.power,
            "driver": self.name,
            "hypervisor": self.acceleration,
            "hypervisor_os": "linux",
            "uptime": uptime,
            "config_drive": "openstack/latest/meta_data.json" in part.get("config_files", ()),
            "num_cpus": len(processors),
            "num_nics": len(part["nics"]),
            "num_disks": len(blocks),
            "memory_details": {"maximum": part["ram"], "used": memory},
            "cpu_details": [
                {"id": cpu["cpu-index"], "time": threads.get(cpu["thread-id"], 0), "utilisation": None}
                for cpu in processors
            ],
            "disk_details": [
                {
                    "read_bytes": disk["rd_bytes"],
                    "read_requests": disk["rd_operations"],
                    "write_bytes": disk["wr_bytes"],
                    "write_requests": disk["wr_operations"],
                    "errors_count": disk["failed_rd_operations"] + disk["failed_wr_operations"],
                }
                for disk in statistics
            ],
            "nic_details": [{"mac_address": nic["mac"]} for nic in part["nics"]],
        }

    async def _inventory(self, why: str) -> dict:
        process = await asyncio.create_subprocess_exec(
            self.qemu,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        found = re.search(rb"version (\d+)\.(\d+)\.(\d+)", said)
        major, minor, micro = (int(number) for number in found.groups()) if found else (0, 0, 0)
        vcpus = os.cpu_count() or 1
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEBIBYTE
        disk = shutil.disk_usage(self.state).total // qemu_disk.GIBIBYTE
        return {
            "hypervisor_type": "QEMU",
            "hypervisor_version": major * 1_000_000 + minor * 1_000 + micro,
            "vcpus": self.options.get("vcpus") or vcpus,
            "memory_mb": self.options.get("memory_mb") or memory,
            "local_gb": self.options.get("local_gb") or disk,
            "cpu_info": {
                "arch": "x86_64",
                "model": "host" if self.acceleration == "kvm" else machine.EMULATED_PROCESSOR,
                "vendor": "",
                "features": [],
                "topology": {"sockets": 1, "cores": vcpus, "threads": 1},
            },
            "acceleration": self.acceleration,
            "why": why,
        }


def _without_secrets(part: dict) -> dict:
    """The part as it is kept beside the disk: the files of the config drive are named, not repeated."""
    kept = {name: value for name, value in part.items() if name != "config_drive"}
    return {**kept, "config_files": sorted(part.get("config_drive") or ())}


def _of_process(pid: int) -> tuple[int, dict[int, int], int]:
    """Memory in use (MiB), processor time of each thread (nanoseconds), seconds since its start."""
    ticks = os.sysconf("SC_CLK_TCK")
    threads = {}
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            words = Path("/proc", str(pid), "task", thread, "stat").read_text().rpartition(")")[2].split()
            threads[int(thread)] = (int(words[11]) + int(words[12])) * 1_000_000_000 // ticks
        words = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        since_boot = float(Path("/proc/uptime").read_text().split()[0])
        memory = int(words[21]) * os.sysconf("SC_PAGE_SIZE") // MEBIBYTE
        return memory, threads, int(since_boot - int(words[19]) / ticks)
    return 0, threads, 0
