"""Hypervisors of a host: what a driver is given, what it answers, and which drivers there are.

A driver receives one server as it should be and touches the world until it is so. Every call may be
repeated after a kill at any moment; a guest is ended only because its part says so; a server is reported
absent only after somebody has looked. What has to be done next is decided in one place for all drivers
(`plan`), so that a cloud that was tested with simulated servers behaves the same with real ones.

`qemu` starts real virtual machines and needs QEMU, though no root; `simulated` keeps the world in a
dictionary. They are imported only when asked for.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

DRIVERS = ("qemu", "simulated")

Images = Callable[[dict], Awaitable[Path]]


def open_hypervisor(
    name: str, state: Path, cloud_id: str, networks: Any, images: Images, options: dict | None = None
) -> Any:
    """The driver of that name, not yet started."""
    options = options or {}
    if name == "qemu":
        from monostack.node.hypervisors.qemu import Qemu

        return Qemu(state, cloud_id, networks, images, options)
    if name == "simulated":
        from monostack.node.hypervisors.simulated import SimulatedHypervisor

        return SimulatedHypervisor(state, cloud_id, networks, images, options)
    raise ValueError(f"There is no hypervisor driver '{name}'; the drivers are {', '.join(DRIVERS)}.")


def present(record: dict) -> dict:
    """The facts of a server that is in the world, from what a driver keeps of it."""
    part = record["part"]
    return {
        "kind": "server",
        "id": part["id"],
        "version": part["version"],
        "desired": part["desired"],
        "state": "present",
        "error": None,
        "place": record["place"],
        "boot": record["boot"],
        "disk": record["disk"],
        "power": record["power"],
    }


def absent(part: dict) -> dict:
    """The facts of a server that was looked for and is not in the world."""
    return {
        "kind": "server",
        "id": part["id"],
        "version": part["version"],
        "desired": part["desired"],
        "state": "absent",
        "error": None,
        "place": part.get("place"),
        "boot": part.get("boot"),
        "disk": part.get("disk"),
        "power": "off",
    }


class Turns:
    """One caller at a time for each server; a lock that nobody holds or awaits is forgotten."""

    def __init__(self) -> None:
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def __call__(self, id: str) -> asyncio.Lock:
        lock = self._locks.get(id)
        if lock is None:
            lock = self._locks[id] = asyncio.Lock()
        return lock
