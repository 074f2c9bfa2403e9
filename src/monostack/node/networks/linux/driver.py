"""The Networks driver on Linux: who calls whom, in which thread, and what is remembered.

Speaking with the kernel blocks and depends on the thread's namespace, so all of it happens in one thread of
its own, which stands in the cloud's namespace from `start` on; what the agent calls are thin coroutines
that hand the work over. One thread also means that two changes never overlap. Only the metadata listeners
live on the program's loop.

What was applied is written to a journal after it was done. The world itself decides what is there (`look`
asks the kernel and the processes); the journal only tells which version of a part that was, and lets a new
program know the parts that the agent has not sent again yet: a port's packet filter needs its network, DHCP
needs its ports.
"""

import asyncio
import logging
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from monostack.node.errors import Broken, Retry
from monostack.node.networks import KINDS, facts_of
from monostack.node.networks.journal import Journal
from monostack.node.networks.linux.probe import obstacle

JOURNAL = "linux-network.jsonl"
RUN = Path("/run/monostack")
DOMAIN = "openstacklocal"

log = logging.getLogger(__name__)


class LinuxNetworks:
    """Bridges, taps, routers, DHCP, metadata and security groups of one cloud on this machine."""

    name = "linux"

    def __init__(self, state: Path, cloud_id: str, options: dict | None = None) -> None:
        self.options = options or {}
        self.cloud_id = cloud_id
        self.journal = Journal(Path(state) / JOURNAL)
        self.metadata: Callable[..., Any] | None = None
        self.listeners: dict[tuple[str, str], Any] = {}
        self.thread: ThreadPoolExecutor | None = None
        self.opened: Any = None

    @property
    def world(self) -> Any:
        if self.opened is None:
            raise Retry("The networks of this host have not been started.")
        return self.opened

    async def start(self) -> dict:
        reason = await asyncio.to_thread(obstacle)
        if reason is not None:
            raise Broken(f"{reason} Without it, use the networks 'user'.")
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="networks")
        await self._do(self._open)
        for key in await self._do(self.world.listening):
            await self._listen(key)
        uplink = "is" if self.options.get("uplink", True) else "is not"
        return {
            "driver": self.name,
            "config_drive": False,
            "namespace": self.world.namespace,
            "why": (
                f"Networks live in the namespace {self.world.namespace}; this machine {uplink} the "
                "gateway of external networks. Guests get beyond it only if its owner lets it forward them."
            ),
        }

    async def look(self) -> dict[tuple[str, str], dict]:
        return await self._do(self.world.look)

    async def make(self, part: dict) -> dict:
        kind, id = part["kind"], part["id"]
        if kind not in KINDS:
            raise Broken(f"Networks are made of {', '.join(KINDS)}; a part of kind '{kind}' is none of them.")
        if part.get("desired") == "absent":
            if not await self.unmake(kind, id):
                raise Retry(f"Something of {kind} {id} is still there.")
            return facts_of(part, state="absent")
        await self._do(self.world.make, part)
        if kind in ("network", "router"):
            await self._listen((kind, id))
        return facts_of(part)

    async def unmake(self, kind: str, id: str) -> bool:
        listener = self.listeners.pop((kind, id), None)
        if listener is not None:
            listener.close()
        return await self._do(self.world.unmake, kind, id)

    async def plug(self, port_id: str) -> dict:
        descriptor = await self._do(self.world.plug, port_id)
        return {"args": ["-netdev", f"tap,id=n-{port_id[:11]},fd={descriptor}"], "fds": [descriptor]}

    async def unplug(self, port_id: str) -> None:
        """Nothing to do: a tap stays for the port's next guest, and closes with the QEMU that held it."""

    async def stop(self) -> None:
        """End listeners and thread. Everything in the world stays as it is, only an empty namespace goes."""
        for listener in self.listeners.values():
            listener.close()
        self.listeners.clear()
        if self.thread is None:
            return
        if self.opened is not None:
            await self._do(self.world.close)
        self.thread.shutdown()
        self.journal.close()
        self.thread = self.opened = None

    def _open(self) -> None:
        from monostack.node.networks.linux.world import World

        run = Path(self.options.get("run", RUN)) / self.cloud_id
        world = World(
            self.journal,
            self.cloud_id,
            run,
            self.options.get("dns_domain", DOMAIN),
            self.options.get("uplink", True),
        )
        world.open()
        self.opened = world

    async def _do(self, work: Callable, *arguments: Any) -> Any:
        """Have work done in the thread; what the kernel refuses reaches the agent as words."""
        if self.thread is None:
            raise Retry("The networks of this host have not been started.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, in_words, work, *arguments)

    async def _listen(self, key: tuple[str, str]) -> None:
        """Let the metadata of a network or a router be answered, or no longer."""
        from monostack.node.networks.linux.metadata import Listener

        listening, namespace = await self._do(self.world.listen, key, self._heard(key))
        if listening is None:
            if namespace is None and key in self.listeners:
                self.listeners.pop(key).close()
            return
        old = self.listeners.pop(key, None)
        if old is not None:
            old.close()

        async def answer(source: str, method: str, path: str, headers: dict, body: bytes) -> tuple:
            if self.metadata is None:
                raise Retry("Nobody answers for metadata yet.")
            network_id = self.world.network_of(key, source)
            if network_id is None:
                return 404, {}, b"Nobody on this network has that address.\n"
            return await self.metadata(network_id, source, method, path, headers, body)

        listener = Listener(answer, namespace)
        await listener.open(listening)
        self.listeners[key] = listener

    def _heard(self, key: tuple[str, str]) -> int | None:
        """The namespace that is already listened in for this network or router."""
        listener = self.listeners.get(key)
        return listener.namespace if listener else None


def in_words(work: Callable, *arguments: Any) -> Any:
    from pyroute2.netlink.exceptions import NetlinkError

    from monostack.node.networks.linux.nft import Refused

    try:
        return work(*arguments)
    except PermissionError as error:
        raise Broken(f"This program may not change the networks of this machine: {error}.") from error
    except Refused as refusal:
        raise Retry(f"The packet filter refused a change: {refusal}") from refusal
    except NetlinkError as error:
        raise Retry(f"The kernel refused a change of the network: {error}") from error
    except subprocess.SubprocessError as error:
        raise Retry(f"A helper of the network failed: {error}") from error
    except OSError as error:
        raise Retry(f"The network could not be changed: {error}") from error
