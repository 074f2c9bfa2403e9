"""One running guest: its process and its monitor.

The process belongs to nobody (QEMU puts itself into a session of its own), so that guests outlive the
program. It is held by an open file on the process, which becomes readable when the process ends and can
never come to mean another one; the monitor says what happens inside. `power` follows the monitor's events
and is asked for anew at each connection.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from monostack.node.errors import Retry
from monostack.node.hypervisors.qemu_folder import Folder, kill
from monostack.node.hypervisors.qmp import Qmp, QmpError, QmpGone

# Run states of QEMU (qapi/run-state.json) as power states; all others mean that the guest stands still.
POWER_OF_STATE = {
    "running": "running",
    "shutdown": "off",
    "guest-panicked": "crashed",
    "internal-error": "crashed",
}
END_SECONDS = 10.0
BUTTON_SECONDS = 2.0
SNAPSHOT = "suspended"
SNAPSHOT_SECONDS = 600.0
COPY_SECONDS = 6 * 3600.0
UNPLUG_SECONDS = 10.0


class Guest:
    """`on_change(id)` is called when the guest goes off or ends; the driver knows whether that was meant."""

    def __init__(self, folder: Folder, pid: int, boot: int, on_change: Callable[[str], None]) -> None:
        self.id = folder.id
        self.folder = folder
        self.pid = pid
        self.boot = boot
        self.power = "running"
        self.on_change = on_change
        self.changed = asyncio.Event()
        self.removed: set[str] = set()
        self.qmp: Qmp | None = None
        self.process_file: int | None = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self.process_file, self._ended)

    @property
    def alive(self) -> bool:
        return self.process_file is not None

    async def connect(self) -> Qmp:
        """The monitor, connected; raises Retry when it does not answer although the process is there."""
        if self.qmp is not None and self.qmp.socket is not None:
            return self.qmp
        qmp = Qmp(self._event, lambda: None)
        try:
            await qmp.connect(self.folder / "qmp.sock")
            self.power = POWER_OF_STATE.get((await qmp.execute("query-status"))["status"], "paused")
        except QmpError as reason:
            await qmp.close()
            raise Retry(f"The guest of server {self.id} runs, but cannot be asked: {reason}") from reason
        self.qmp = qmp
        return qmp

    async def press_power_button(self, seconds: float) -> bool:
        """Ask the guest to go off; True when it did in time. It may not listen yet, so it is asked again."""
        qmp = await self.connect()
        deadline = asyncio.get_running_loop().time() + seconds
        while self.alive and self.power not in ("off", "crashed"):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            self.changed.clear()
            with contextlib.suppress(QmpGone):
                await qmp.execute("system_powerdown")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until_gone(), min(left, BUTTON_SECONDS))
        return True

    async def end(self) -> None:
        """End the process: QEMU is asked to quit, which keeps its disks in order, and then made to."""
        if self.alive:
            with contextlib.suppress(QmpError, Retry):
                qmp = await self.connect()
                await qmp.execute("quit", seconds=END_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until_ended(), END_SECONDS)
        if self.process_file is not None:
            kill(self.process_file)
            await self._until_ended()
        await self.release()

    async def pause(self) -> None:
        await (await self.connect()).execute("stop")
        self.power = "paused"

    async def unpause(self) -> None:
        await (await self.connect()).execute("cont")
        self.power = "running"

    async def save(self, nodes: list[str]) -> None:
        """Keep memory and disks as they are now inside the disk, under one name; the guest stands still."""
        qmp = await self.connect()
        await qmp.execute("stop")
        self.power = "paused"
        await self.forget_saved(nodes)
        arguments = {"tag": SNAPSHOT, "vmstate": nodes[0], "devices": nodes}
        try:
            await qmp.job("snapshot-save", arguments, f"save-{SNAPSHOT}", SNAPSHOT_SECONDS)
        except QmpError:
            await self.unpause()
            raise

    async def load(self, nodes: list[str]) -> None:
        arguments = {"tag": SNAPSHOT, "vmstate": nodes[0], "devices": nodes}
        await (await self.connect()).job("snapshot-load", arguments, f"load-{SNAPSHOT}", SNAPSHOT_SECONDS)

    async def forget_saved(self, nodes: list[str]) -> None:
        qmp = await self.connect()
        arguments = {"tag": SNAPSHOT, "devices": nodes}
        with contextlib.suppress(QmpError):
            await qmp.job("snapshot-delete", arguments, f"drop-{SNAPSHOT}", SNAPSHOT_SECONDS)

    async def grow_disk(self, node: str, size: int) -> None:
        """Make a disk greater under the running guest; one that is great enough stays as it is."""
        qmp = await self.connect()
        for known in await qmp.execute("query-named-block-nodes", {"flat": True}):
            if known["node-name"] == node and known["image"]["virtual-size"] < size:
                await qmp.execute("block_resize", {"node-name": node, "size": size})

    async def copy_disk(self, node: str, target: Path, disk_format: str) -> None:
        """Copy a disk as it is at this moment, while the guest goes on; the target has the disk's size."""
        qmp = await self.connect()
        file = {"driver": "file", "filename": str(target)}
        layer = {"driver": disk_format, "node-name": "copy", "file": file}
        await qmp.execute("blockdev-add", layer)
        try:
            arguments = {"device": node, "target": "copy", "sync": "full", "auto-dismiss": False}
            await qmp.job("blockdev-backup", arguments, "copy-disk", COPY_SECONDS)
        finally:
            with contextlib.suppress(QmpError):
                await qmp.execute("blockdev-del", {"node-name": "copy"})

    async def plug(self, device: dict, plug: dict) -> None:
        """Put a network interface into the running guest, if it is not there. Its open files travel to QEMU
        under new names."""
        qmp = await self.connect()
        there = await qmp.execute("qom-list", {"path": "/machine/peripheral"})
        if device["id"] in {known["name"] for known in there}:
            return
        with contextlib.suppress(QmpError):
            await qmp.execute("netdev_del", {"id": device["netdev"]})
        netdev = plug["args"][plug["args"].index("-netdev") + 1]
        for number in plug["fds"]:
            name = f"fd-{device['netdev']}-{number}"
            await qmp.execute("getfd", {"fdname": name}, files=[number])
            netdev = netdev.replace(f"fd={number}", f"fd={name}")
        said = await qmp.execute("human-monitor-command", {"command-line": f"netdev_add {netdev}"})
        if said.strip():
            raise QmpError(said.strip().splitlines()[0])
        await qmp.execute("device_add", device)

    async def unplug(self, device_id: str, netdev_id: str) -> None:
        """Take a network interface out; the guest has to agree, and one that stands still does not."""
        qmp = await self.connect()
        self.removed.discard(device_id)
        try:
            await qmp.execute("device_del", {"id": device_id})
        except QmpError as reason:
            if "not found" not in str(reason):
                raise Retry(f"The guest keeps its network interface: {reason}") from reason
            self.removed.add(device_id)
        for _ in range(int(UNPLUG_SECONDS / 0.05)):
            if device_id in self.removed:
                break
            await asyncio.sleep(0.05)
        else:
            raise Retry("The guest did not give its network interface back in time.")
        with contextlib.suppress(QmpError):
            await qmp.execute("netdev_del", {"id": netdev_id})

    async def release(self) -> None:
        """Let go of the guest without touching it."""
        if self.qmp is not None:
            await self.qmp.close()
            self.qmp = None
        self._close_process_file()

    def _event(self, name: str, data: dict) -> None:
        if name == "SHUTDOWN":
            self.power = "off"
            self.changed.set()
            self.on_change(self.id)
        elif name == "GUEST_PANICKED":
            self.power = "crashed"
            self.changed.set()
            self.on_change(self.id)
        elif name == "STOP" and self.power == "running":
            self.power = "paused"
        elif name == "RESUME":
            self.power = "running"
        elif name == "DEVICE_DELETED" and "device" in data:
            self.removed.add(data["device"])

    def _ended(self) -> None:
        if self.power != "off":
            self.power = "crashed"
        self._close_process_file()
        self.changed.set()
        self.on_change(self.id)

    def _close_process_file(self) -> None:
        if self.process_file is not None:
            asyncio.get_running_loop().remove_reader(self.process_file)
            os.close(self.process_file)
            self.process_file = None

    async def _until_gone(self) -> None:
        while self.alive and self.power not in ("off", "crashed"):
            await self.changed.wait()
            self.changed.clear()

    async def _until_ended(self) -> None:
        while self.alive:
            self.changed.clear()
            await self.changed.wait()
