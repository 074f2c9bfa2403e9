"""The agents of this machine, run inside the cloud's own process over the same protocol as any other."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from monostack.kit.agents import stamp
from monostack.kit.errors import Error
from monostack.node.agent import Agent
from monostack.node.hypervisors import open_hypervisor
from monostack.node.networks import open_networks

if TYPE_CHECKING:
    from monostack.cloud import Cloud

log = logging.getLogger(__name__)


def choose(settings) -> tuple[str, str, str]:
    """Which hypervisor and which networks, and why, in words."""
    hypervisor, networks, obstacle = settings.hypervisor, settings.networks, None
    if hypervisor == "auto":
        hypervisor = "qemu" if shutil.which("qemu-system-x86_64") else "simulated"
    if networks == "auto":
        if hypervisor == "simulated":
            networks = "simulated"
        else:
            obstacle = _why_not_linux()
            networks = "linux" if obstacle is None else "user"
    why = {
        "linux": "real networks in namespaces of the cloud's own",
        "user": f"networks inside each QEMU. {obstacle}" if obstacle else "networks inside each QEMU",
        "simulated": "no packet is carried",
    }[networks]
    return hypervisor, networks, why


def _why_not_linux() -> str | None:
    """What keeps this process from building networks, in words; None when nothing does."""
    try:
        from monostack.node.networks.linux import obstacle
    except ImportError as reason:
        return f"{reason.name} is not installed"
    return obstacle()


async def start(cloud: Cloud) -> list[Agent]:
    """Start this machine's agents (several only where hosts are simulated)."""
    settings = cloud.settings
    hypervisor_name, networks_name, _ = choose(settings)
    count = max(1, settings.node.simulated_hosts) if hypervisor_name == "simulated" else 1
    agents = []
    for number in range(count):
        host = settings.host if number == 0 else f"{settings.host}-{number + 1}"
        folder = settings.state / "node" if number == 0 else settings.state / f"node-{number + 1}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        agent = make(cloud, host, folder, hypervisor_name, networks_name)
        cloud.hub.answerers[host] = agent.answer
        await agent.start()
        agents.append(agent)
    return agents


def make(cloud: Cloud, host: str, folder: Path, hypervisor_name: str, networks_name: str) -> Agent:
    """An agent with its drivers, not yet started."""
    settings = cloud.settings
    node = settings.node
    networks = open_networks(
        networks_name,
        folder,
        cloud.id,
        {
            "persist": settings.persist_simulated,
            "uplink": True,
            "dns_domain": settings.network.dns_domain,
        },
    )
    networks.metadata = cloud.metadata
    options = {
        "persist": settings.persist_simulated,
        "accelerator": node.accelerator,
        "acceleration": node.accelerator,
        "soft_reboot_seconds": settings.compute.soft_reboot_seconds,
        "power_off_seconds": settings.compute.power_off_seconds,
    }
    options |= {
        name: value
        for name, value in (("vcpus", node.vcpus), ("memory_mb", node.memory_mb), ("local_gb", node.disk_gb))
        if value
    }
    images = LocalImages(cloud, folder / "images")
    hypervisor = open_hypervisor(hypervisor_name, folder, cloud.id, networks, images.bring, options)
    at_once = node.guests_at_once if hypervisor_name == "qemu" else 64
    return Agent(host, cloud.hub, hypervisor, networks, stamp, at_once)


class LocalImages:
    """Brings an image to the host: on the same machine a hard link, so that deleting the image harms no
    guest."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder

    async def bring(self, image: dict) -> Path:
        """The local file of an image; raises Broken when the cloud has no such file."""
        import asyncio

        from monostack.node.errors import Broken

        target = self.folder / image["id"]
        if target.exists():
            return target
        part = target.with_suffix(".part")
        await asyncio.to_thread(self._clear, part)
        try:
            found = self.cloud.image_file is not None and await self.cloud.image_file(
                self.cloud, image["id"], part
            )
        except Error as reason:
            raise Broken(f"The data of image {image['id']} cannot be had: {reason}") from reason
        if not found:
            raise Broken(f"The data of image {image['id']} is not there.")
        part.rename(target)
        return target

    def _clear(self, part: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
